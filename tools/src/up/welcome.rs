//! What `up` says when the network runs: a table of what runs where, and three things to try.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use crate::config::UpConfig;
use crate::data_folder::DataFolder;
use crate::network_file::{Entry, NetworkFile, Protocol};
use crate::profile::{FRONT, MICRONET, Profile};
use crate::registry::{AUTH, GATEWAY};
use crate::table::{Align, Table};
use crate::terminal::Style;
use micronet_services::auth::service::code_file;
use micronet_services::database::Databases;
use micronet_services::demo::Demo;

/// The whole text.
pub(super) fn text(
    file: &NetworkFile,
    config: &UpConfig,
    data: &DataFolder,
    databases: &Databases,
    demo: Demo,
    style: Style,
) -> String {
    let profile = config.profile;
    let gateway = file.first(GATEWAY, Protocol::Http).map(|entry| entry.address);
    let try_these = gateway
        .map(|gateway| things_to_try(profile, gateway, &own_command(), data, demo))
        .unwrap_or_default();
    let try_these = if config.gateway.https { in_https(&try_these, config) } else { try_these };
    let token = data.operator_token_path();
    let database = match databases {
        Databases::Folder(_) => "SQLite".into(),
        Databases::Server(server) => server.to_string(),
    };
    let runs = style.green(format!(
        "The network runs (profile: {profile}, demo: {demo}, data: {}, database: {database}{}).",
        data.path().display(),
        config.tls.as_ref().map(|tls| format!(", mTLS by {}", tls.certs.display())).unwrap_or_default(),
    ));
    format!(
        "{runs}\n\n{}\n{}\nTry:\n{try_these}\n\n{}Operate it: {}\nOperator token: {}\nCtrl-C stops the network.",
        table(&file.entries, config.listen, (config.tls.is_some(), config.gateway.https)).draw(style),
        passed_through(file),
        sign_in(file, gateway, data, demo),
        operate_it(&own_command(), data),
        token.display(),
    )
}

/// Where the gateway passes TCP through, in a line of its own; nothing where it does not.
fn passed_through(file: &NetworkFile) -> String {
    if file.virtual_ports.is_empty() {
        return String::new();
    }
    let ports = file.virtual_ports.iter().map(|(service, address)| format!("{} {service}", address.port()));
    format!("\nTCP passed through by the gateway: {}\n", ports.collect::<Vec<_>>().join(", "))
}

/// Who may sign in, and where: the demonstration's accounts, or how the first one is made. Nothing where there are no accounts.
fn sign_in(file: &NetworkFile, gateway: Option<SocketAddr>, data: &DataFolder, demo: Demo) -> String {
    let Some(gateway) = gateway.filter(|_| file.first(AUTH, Protocol::Rpc).is_some()) else {
        return String::new();
    };
    let gateway = shown(gateway);
    if let Some(organization) = demo.organization() {
        let accounts = organization.accounts.iter().map(|of| format!("  {} / {}", of.email, of.password));
        let accounts = accounts.collect::<Vec<_>>().join("\n");
        return format!(
            "Sign in (POST {gateway}/auth/login), the password is known to everybody:\n{accounts}\n\n"
        );
    }
    let Ok(code) = fs::read_to_string(code_file(&data.private(AUTH))) else { return String::new() };
    let command = format!(
        "curl -s {gateway}/auth/setup -H 'content-type: application/json' \
         -d '{{\"code\":\"{code}\",\"email\":\"YOU@EXAMPLE.COM\",\"password\":\"…\",\"full_name\":\"YOU\",\"organization\":\"YOURS\"}}'",
    );
    format!(
        "There is no account yet. Make the first one, who may do everything; the code is good once:\n  {command}\n\n"
    )
}

/// The commands that operate the network, the first of them as it can be copied.
fn operate_it(command: &str, data: &DataFolder) -> String {
    let others = "tap, why, nc, start, stop, restart, scale, drain, logs, fault (micronet help)";
    format!("{command} ps{}; likewise {others}", data_flag(data))
}

/// The flag that names the data folder, where that is needed.
fn data_flag(data: &DataFolder) -> String {
    let folder = data.path().display().to_string();
    if folder == "micronet-data" { String::new() } else { format!(" --data {}", quoted(&folder)) }
}

/// The gateway first: it is the way in. All listen where they were told to, which may be everywhere.
fn table(entries: &[Entry], listen: IpAddr, (mtls, https): (bool, bool)) -> Table {
    let mut table = Table::new(&[
        ("SERVICE", Align::Left),
        ("INSTANCE", Align::Left),
        ("PROTOCOL", Align::Left),
        ("ADDRESS", Align::Left),
        ("PID", Align::Right),
    ]);
    let (front, behind): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().partition(|entry| entry.service == GATEWAY);
    for entry in front.into_iter().chain(behind) {
        table.row(vec![
            entry.service.clone(),
            entry.instance.clone(),
            match entry.protocol {
                Protocol::Rpc if mtls => "RPC, TLS".into(),
                Protocol::Http if https => "HTTPS".into(),
                protocol => protocol.name().to_uppercase(),
            },
            SocketAddr::new(listen, entry.address.port()).to_string(),
            entry.pid.to_string(),
        ]);
    }
    table
}

/// An address as people write it.
fn shown(address: SocketAddr) -> String {
    if address.ip().is_loopback() && address.is_ipv4() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

/// Those of the commands that speak HTTPS, as they do it.
fn in_https(commands: &str, config: &UpConfig) -> String {
    let curl = match config.gateway.certificate.as_ref().and_then(|file| file.parent()) {
        Some(certs) => format!("curl -s --cacert {} ", quoted(&certs.join("ca.pem").display().to_string())),
        None => "curl -s ".into(),
    };
    let curls = commands.lines().filter(|line| line.trim_start().starts_with("curl -s "));
    let lines =
        curls.map(|line| line.replacen("localhost:", "https://localhost:", 1).replacen("curl -s ", &curl, 1));
    lines.collect::<Vec<_>>().join("\n")
}

/// Commands that can be copied as they stand.
fn things_to_try(
    profile: &Profile,
    gateway: SocketAddr,
    command: &str,
    data: &DataFolder,
    demo: Demo,
) -> String {
    let gateway = shown(gateway);
    let data = data_flag(data);
    let lines = profile.things_to_try.iter().map(|thing| {
        let is_ours = thing.starts_with(MICRONET);
        let thing = thing.replace(FRONT, &gateway).replace(MICRONET, command);
        format!("  {thing}{}", if is_ours { data.as_str() } else { "" })
    });
    let mut lines: Vec<String> = lines.collect();
    if demo == Demo::None {
        lines.insert(
            0,
            "  (with --demo none the catalog is empty, and these answer that there is no such toy)".into(),
        );
    }
    lines.join("\n")
}

/// How this program was called: through cargo, or by its own path.
fn own_command() -> String {
    if std::env::var_os("CARGO").is_some() {
        return "cargo run --release --".into();
    }
    std::env::args().next().map_or_else(|| "micronet".into(), |program| quoted(&program))
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::data_folder::tests::ScratchFolder;
    use crate::profile::Chosen;

    #[test]
    fn the_table_shows_the_gateway_first() {
        let row = |service: &str, instance: &str, protocol, address: &str, pid| Entry {
            service: service.into(),
            instance: instance.into(),
            protocol,
            address: address.parse().unwrap(),
            pid,
        };
        let rows = [
            row("product", "product-1", Protocol::Rpc, "127.0.0.1:8002", 9),
            row("gateway", "gateway-1", Protocol::Http, "127.0.0.1:8000", 10),
            row("gateway", "gateway-1", Protocol::Rpc, "127.0.0.1:7001", 10),
        ];
        let wanted = "\
SERVICE  INSTANCE   PROTOCOL  ADDRESS         PID
gateway  gateway-1  HTTP      127.0.0.1:8000   10
gateway  gateway-1  RPC       127.0.0.1:7001   10
product  product-1  RPC       127.0.0.1:8002    9";
        let listen = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(table(&rows, listen, (false, false)).draw(Style::PLAIN), wanted);
        let in_tls = table(&rows, listen, (true, true)).draw(Style::PLAIN);
        assert!(in_tls.contains("product-1  RPC, TLS") && in_tls.contains("gateway-1  HTTPS "), "{in_tls}");
    }

    #[test]
    fn commands_to_try_can_be_copied() {
        let scratch = ScratchFolder::new("try it");
        let data = scratch.open();
        let check = |profile: &str, gateway: &str, demo| {
            let Ok(Chosen(profile)) = profile.parse() else { panic!("no {profile}") };
            things_to_try(profile, gateway.parse().unwrap(), "micronet", &data, demo)
        };
        let text = check("all", "127.0.0.1:8000", Demo::Shop);
        assert!(text.contains("curl -s localhost:8000/products/Tux"), "{text}");
        assert!(text.contains(&format!("shop random 100 --data '{}'", scratch.0.display())), "{text}");
        assert_eq!(text.lines().count(), 5);
        let text = check("toystore", "127.0.0.1:6060", Demo::ToyStore);
        assert!(text.contains("curl -s localhost:6060/orders/log\n"), "{text}");
        assert!(text.ends_with(&format!("load toystore --clients 1..5 --data '{}'", scratch.0.display())));
        let text = check("all", "[::1]:8000", Demo::None);
        assert!(text.contains("[::1]:8000/orders") && text.contains("empty"), "{text}");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
