//! A reader who takes nothing.

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;

use super::talker::{MANAGER, Talker, data, words};

/// Commands whose answers fill all buffers on the way to somebody who doesn't read.
const UNREAD: usize = 600;
/// Commands of somebody else meanwhile, of which two things are announced each: more than a reader is told at once.
const MEANWHILE: usize = 60;

#[test]
fn a_slow_reader_loses_announcements_and_holds_up_nobody() {
    // However long that takes, the gateway waits for a reader.
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path()).expect("a folder");
    let settings = folder.path().join("gateway.toml");
    std::fs::write(&settings, "[websocket]\nstall = \"10min\"\n").expect("a file");
    let settings = settings.display().to_string();
    let network = Network::start_in(folder, &["--demo", "shop", "--gateway-config", &settings]);
    let (mut slow, mut quick) = (Talker::enter(&network, MANAGER), Talker::enter(&network, MANAGER));
    for _ in 0..UNREAD {
        slow.say("help");
    }
    for at in 0..MEANWHILE {
        let weight = quick.command(&format!("weight product-1 {}", 100 + at % 2));
        assert_eq!(weight["kind"], "result", "{weight}");
    }
    // What was answered comes whole and in order, and then how much wasn't told.
    let (mut answers, mut last, mut lost) = (0, 2, 0);
    while lost == 0 {
        let said = slow.next();
        let id = said["id"].as_u64().expect("a number");
        assert_eq!(id, last + 1, "{said}");
        last = id;
        if said["kind"] == "answer" {
            answers += 1;
        } else if words(&said).contains("announcements are lost") {
            lost = data(&said)["lost"].as_u64().expect("a number");
        }
    }
    assert!(answers <= UNREAD && lost > 0, "{answers} answers, {lost} lost");
    // It is heard again.
    slow.say("whoami");
    slow.hear("answer", &slow.user.clone());
}
