//! The page at /docs: three files of ours, under a policy that lets it load nothing else.

use micronet_tests::network::Network;

use crate::envelope::check_headers;

#[test]
fn the_page_loads_nothing_but_its_own_files() {
    let network = Network::start("shop");
    // A service's own port has it too.
    for port in [network.gateway(), network.address("product-1")] {
        let mut http = micronet_tests::http_client::HttpClient::connect(port);
        let page = http.get("/docs").check(200);
        check_headers(&page);
        assert_eq!(page.header("Content-Type"), Some("text/html; charset=utf-8"));
        let policy = page.header("Content-Security-Policy").expect("a policy").to_owned();
        for wanted in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(wanted), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        let html = page.text();
        // Nothing stands in the page that the policy would refuse, and nothing comes from elsewhere.
        for unwanted in ["http://", "https://", "onclick", "style=", "<style", "javascript:"] {
            assert!(!html.contains(unwanted), "{unwanted} in {html}");
        }
        let references =
            html.match_indices("=\"/").map(|(at, _)| html[at + 2..].split('"').next().unwrap_or(""));
        let references: Vec<&str> = references.collect();
        assert!(
            references.contains(&"/docs/page.js") && references.contains(&"/docs/page.css"),
            "{references:?}"
        );
        for reference in references {
            let file = http.get(reference).check(200);
            let wanted = match reference.rsplit_once('.') {
                Some((_, "js")) => "text/javascript; charset=utf-8",
                Some((_, "css")) => "text/css; charset=utf-8",
                _ => "application/json",
            };
            assert_eq!(file.header("Content-Type"), Some(wanted), "{reference}");
            assert!(!file.text().contains("innerHTML"), "{reference} puts text in as HTML");
        }
        // For people who don't see well: a language, a title, a name for each field.
        for wanted in ["<html lang=\"en\">", "<title>", "<main", "<noscript>", "aria-label", "<label"] {
            assert!(html.contains(wanted), "{wanted} is missing in {html}");
        }
        http.request("POST", "/docs", &[], b"").check(405);
    }
}
