//! What `up` says when the network runs: a table of what runs where, and three things to try.

use std::net::SocketAddr;

use super::children::Child;
use super::listeners;
use crate::address::reachable;
use crate::config::UpConfig;
use crate::data_folder::DataFolder;
use crate::network_file::Protocol;
use crate::profile::{FRONT, MICRONET, Profile};
use crate::registry::GATEWAY;
use crate::table::{Align, Table};
use crate::terminal::Style;
use micronet_services::database::Databases;
use micronet_services::demo::Demo;

/// A row of the table.
struct Row {
    service: &'static str,
    instance: String,
    protocol: Protocol,
    address: SocketAddr,
    pid: u32,
}

/// The whole text.
pub(super) fn text(
    children: &[Child],
    virtual_ports: &[(&'static str, SocketAddr)],
    config: &UpConfig,
    data: &DataFolder,
    databases: &Databases,
    demo: Demo,
    style: Style,
) -> String {
    let profile = config.profile;
    let rows: Vec<Row> = children.iter().flat_map(rows_of).collect();
    let gateway = rows.iter().find(|row| row.protocol == Protocol::Http).map(|row| reachable(row.address));
    let try_these = gateway
        .map(|gateway| things_to_try(profile, gateway, &own_command(), data, demo))
        .unwrap_or_default();
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
        "{runs}\n\n{}\n{}\nTry:\n{try_these}\n\nOperator token: {}\nCtrl-C stops the network.",
        table(&rows, config.tls.is_some()).draw(style),
        passed_through(virtual_ports),
        token.display(),
    )
}

/// Where the gateway passes TCP through, in one line; nothing where it does not.
fn passed_through(virtual_ports: &[(&'static str, SocketAddr)]) -> String {
    if virtual_ports.is_empty() {
        return String::new();
    }
    let ports = virtual_ports.iter().map(|(service, address)| format!("{} {service}", address.port()));
    format!("TCP passed through by the gateway: {}\n", ports.collect::<Vec<_>>().join(", "))
}

/// The gateway first: it is the way in.
fn table(rows: &[Row], mtls: bool) -> Table {
    let mut table = Table::new(&[
        ("SERVICE", Align::Left),
        ("INSTANCE", Align::Left),
        ("PROTOCOL", Align::Left),
        ("ADDRESS", Align::Left),
        ("PID", Align::Right),
    ]);
    let (front, behind): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.service == GATEWAY);
    for row in front.into_iter().chain(behind) {
        table.row(vec![
            row.service.to_owned(),
            row.instance.clone(),
            match row.protocol {
                Protocol::Rpc if mtls => "RPC, TLS".into(),
                protocol => protocol.name().to_uppercase(),
            },
            row.address.to_string(),
            row.pid.to_string(),
        ]);
    }
    table
}

fn rows_of(child: &Child) -> Vec<Row> {
    let (plan, Some(pid)) = (child.plan(), child.id()) else { return Vec::new() };
    let row = |(protocol, address)| Row {
        service: plan.service_name(),
        instance: plan.instance.clone(),
        protocol,
        address,
        pid,
    };
    listeners(child).into_iter().map(row).collect()
}

/// Commands that can be copied as they stand.
fn things_to_try(
    profile: &Profile,
    gateway: SocketAddr,
    command: &str,
    data: &DataFolder,
    demo: Demo,
) -> String {
    let gateway = if gateway.ip().is_loopback() && gateway.is_ipv4() {
        format!("localhost:{}", gateway.port())
    } else {
        gateway.to_string()
    };
    let folder = data.path().display().to_string();
    let data = if folder == "micronet-data" { String::new() } else { format!(" --data {}", quoted(&folder)) };
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
    use super::*;
    use crate::data_folder::tests::ScratchFolder;
    use crate::profile::Chosen;

    #[test]
    fn the_table_shows_the_gateway_first() {
        let row = |service: &'static str, instance: &str, protocol, address: &str, pid| Row {
            service,
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
        assert_eq!(table(&rows, false).draw(Style::PLAIN), wanted);
        let in_tls = table(&rows, true).draw(Style::PLAIN);
        assert!(in_tls.contains("product-1  RPC, TLS") && in_tls.contains("gateway-1  HTTP "), "{in_tls}");
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
