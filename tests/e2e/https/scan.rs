//! What sslscan, which others have written, thinks of the gateway's TLS.

use std::process::Command;

use micronet_tests::process::run;

use super::Edge;

#[test]
fn sslscan_finds_nothing_weak() {
    if !crate::external::has("sslscan") {
        return;
    }
    for (lines, versions) in
        [("", &["TLSv1.3"][..]), ("versions = [\"1.2\", \"1.3\"]", &["TLSv1.3", "TLSv1.2"][..])]
    {
        let network = Edge::new().start(lines);
        let mut command = Command::new("sslscan");
        command.args(["--xml=-", "--no-colour"]).arg(network.gateway().to_string());
        let found = run(command).check(0).stdout;
        for (protocol, version) in
            [("ssl", "2"), ("ssl", "3"), ("tls", "1.0"), ("tls", "1.1"), ("tls", "1.2"), ("tls", "1.3")]
        {
            let is_spoken = versions.contains(&format!("TLSv{version}").as_str());
            let wanted = format!(
                "<protocol type=\"{protocol}\" version=\"{version}\" enabled=\"{}\" />",
                u8::from(is_spoken)
            );
            assert!(found.contains(&wanted), "{wanted} is missing in {found}");
        }
        let ciphers: Vec<&str> = found.lines().filter(|line| line.contains("<cipher ")).collect();
        assert!(!ciphers.is_empty(), "{found}");
        for cipher in ciphers {
            assert!(
                cipher.contains("strength=\"strong\"") || cipher.contains("strength=\"acceptable\""),
                "{cipher}"
            );
            assert!(cipher.contains("GCM") || cipher.contains("CHACHA20"), "{cipher}");
            assert!(versions.iter().any(|version| cipher.contains(version)), "{cipher}");
        }
        for weak in [
            "<renegotiation supported=\"1\" secure=\"0\" />",
            "<compression supported=\"1\" />",
            "vulnerable=\"1\"",
            "<self-signed>true</self-signed>",
        ] {
            assert!(!found.contains(weak), "{weak} in {found}");
        }
        network.stop();
    }
}
