//! Results that are kept: shown again, drawn, for other tools, and compared with later ones.

use std::fs;

use micronet_tests::folder::Folder;

use super::{bench, json_of};

#[test]
fn results_are_kept_shown_and_compared() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path()).expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (old, new) = (file("old.json"), file("new.json"));
    let measured = |in_flight: &str, path: &str| {
        let arguments =
            ["echo", "--in-flight", in_flight, "--duration", "500ms", "--warm-up", "0", "--save", path];
        bench(&folder, &arguments).check(0).stdout
    };
    let said = measured("64", &old);
    assert_eq!(bench(&folder, &["show", &old]).check(0).stdout, said, "it is the same again");
    let (svg, hgrm, hlog) = (file("x.svg"), file("x.hgrm"), file("x.hlog"));
    bench(&folder, &["show", &old, "--plot", &svg, "--hgrm", &hgrm, "--hlog", &hlog]).check(0);
    for (name, words) in
        [("x.svg", "Latency by percentile"), ("x.hgrm", "#[Max     ="), ("x.hlog", "HISTFAAA")]
    {
        assert!(folder.read(name).contains(words), "{name}");
    }
    assert!(
        bench(&folder, &["compare", &old, &old]).check(0).stdout.contains("Not slower by more than 10 %")
    );
    // One in flight passes far less than 64, whatever the machine does besides.
    measured("1", &new);
    let slower = bench(&folder, &["compare", &old, &new]).check(1).stdout;
    for words in [
        "Worse: throughput is 0.",
        "They were not measured alike:",
        "load: 64 in flight, and then 1 in flight",
    ] {
        assert!(slower.contains(words), "{slower}");
    }
    let comparison = json_of(&bench(&folder, &["compare", &old, &new, "--json"]).check(1));
    assert_eq!(comparison["worse"], true, "{comparison}");
    // What can't be compared is no regression: another exit code says so.
    let nothing = file("nothing.json");
    fs::write(folder.path().join("broken.json"), "{\"form\":1").expect("a file");
    for (wrong, words) in [(&nothing, "nothing.json"), (&file("broken.json"), "broken.json")] {
        for arguments in [["compare", &old, wrong], ["compare", wrong, &old]] {
            let refused = bench(&folder, &arguments).check(2);
            assert!(refused.stdout.is_empty() && refused.stderr.contains(words), "{refused:?}");
        }
    }
    // Nothing is measured whose results have no place.
    let refused = bench(&folder, &["echo", "--plot", &file("nowhere/x.html")]).check(2);
    assert!(refused.stderr.contains("there is no folder"), "{refused:?}");
}
