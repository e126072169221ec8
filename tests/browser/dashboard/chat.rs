//! ChatOps in the page.

use micronet_tests::network::Network;

use super::{panel, sign_in};

#[test]
fn it_greets_answers_and_refuses() {
    let network = Network::start("shop");
    for (role, greeting) in [("Client", "Role: client"), ("Manager", "Role: manager")] {
        let page = sign_in(&network, role);
        panel(&page, "ChatOps");
        let (line, said) = (page.at("textbox", "Command"), page.at("log", "Conversation"));
        said.shows("Connected to Network Management ChatOps!");
        said.shows(greeting);
        for (command, words) in
            [("help", "status"), ("status", "product"), ("statsu", "status"), ("whoami", "from 127.0.0.1")]
        {
            line.fill(command);
            page.press(&["Enter"]);
            said.shows(words);
        }
        line.fill("drain product-1");
        page.press(&["Enter"]);
        said.shows(if role == "Client" { "control:write" } else { "product-1" });
        // Earlier lines come back, and Tab completes.
        page.press(&["ArrowUp"]);
        assert_eq!(line.property("value"), "drain product-1");
        line.fill("stat");
        page.press(&["Tab"]);
        assert!(line.property("value").starts_with("stat"), "{}", line.property("value"));
    }
}
