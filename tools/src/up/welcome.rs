//! What `up` says when the network runs: where the dashboard is, a table of what runs where, and a few things to try.

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
        "{runs}\n\n{}{}\n{}\nTry:\n{try_these}\n\nOperate it: {}\nOperator token: {}\nCtrl-C stops the network.",
        dashboard(file, gateway, config.gateway.https, data, demo),
        table(&file.entries, config.listen, (config.tls.is_some(), config.gateway.https)).draw(style),
        passed_through(file),
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

/// Where the dashboard is, and who may sign in there: the demonstration's accounts; or whoever has the code, which the link carries in
/// its fragment, so that no server and no log sees it.
fn dashboard(
    file: &NetworkFile,
    gateway: Option<SocketAddr>,
    https: bool,
    data: &DataFolder,
    demo: Demo,
) -> String {
    let Some(gateway) = gateway else { return String::new() };
    let page = format!("{}://{}/", if https { "https" } else { "http" }, shown(gateway));
    if file.first(AUTH, Protocol::Rpc).is_none() {
        return format!("Dashboard: {page} (there are no accounts: sign in with the operator's token)\n\n");
    }
    if let Some(organization) = demo.organization() {
        let accounts = organization.accounts.iter().map(|of| format!("  {} / {}", of.email, of.password));
        let accounts = accounts.collect::<Vec<_>>().join("\n");
        return format!(
            "Dashboard: {page}\nSign in there, or by POST {page}auth/login; the passwords are known to everybody:\n{accounts}\n\n"
        );
    }
    match fs::read_to_string(code_file(&data.private(AUTH))) {
        Ok(code) => format!(
            "There is no account yet. This link makes the first one, who may do everything; it is good once:\n  \
             {page}#/setup/{}\n\n",
            code.trim()
        ),
        Err(_) => format!("Dashboard: {page}\n\n"),
    }
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
    use std::collections::BTreeMap;
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
    fn the_dashboards_link_signs_in_or_makes_the_first_account() {
        let scratch = ScratchFolder::new("dashboard");
        let data = scratch.open();
        let gateway: SocketAddr = "127.0.0.1:8000".parse().unwrap();
        let auth = Entry {
            service: AUTH.into(),
            instance: "auth-1".into(),
            protocol: Protocol::Rpc,
            address: "127.0.0.1:8004".parse().unwrap(),
            pid: 9,
        };
        let file = |entries| NetworkFile {
            cluster: "test".into(),
            pid: 9,
            certs: None,
            entries,
            virtual_ports: BTreeMap::new(),
        };
        let text = |entries, https, demo| dashboard(&file(entries), Some(gateway), https, &data, demo);
        let demo = text(vec![auth.clone()], false, Demo::Shop);
        assert!(
            demo.starts_with("Dashboard: http://localhost:8000/\n") && demo.contains("/ client-demo"),
            "{demo}"
        );
        assert!(
            text(vec![], true, Demo::None)
                .starts_with("Dashboard: https://localhost:8000/ (there are no accounts")
        );
        assert_eq!(text(vec![auth.clone()], false, Demo::None), "Dashboard: http://localhost:8000/\n\n");
        let file = code_file(&data.private(AUTH));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "c0de").unwrap();
        assert!(text(vec![auth], false, Demo::None).ends_with("  http://localhost:8000/#/setup/c0de\n\n"));
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
