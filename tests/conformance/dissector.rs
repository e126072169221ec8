//! The dissector of Wireshark (proto-spec/micronet.lua) under the real tshark: every vector, and the tables of the registry.
//!
//! Without tshark these tests fail: `apt-get install tshark`.

use std::process::Command;

use micronet_tests::python::script;
use micronet_tests::spec::folder;
use micronet_wire::schema::EncodedSchema;
use serde_json::Value;

use crate::registry::rows;

fn dissector() -> String {
    std::fs::read_to_string(folder().join("micronet.lua")).unwrap()
}

/// Vectors that are right show the fields that they mean, others the code that refuses them, and none an error in Lua.
#[test]
fn vectors() {
    let Some(mut vectors) = script("examples/wireshark/vectors.py") else { return };
    let output = vectors.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    let (mut files, mut passed) = (0, 0);
    for line in said.lines() {
        let (file, counts) = line.split_once(".json: ").unwrap_or_else(|| panic!("{said}"));
        let count: usize = counts.split(' ').next().unwrap().parse().unwrap();
        let cases = micronet_tests::spec::vectors(file)["cases"].as_array().unwrap().len();
        // Ids of methods are a table without bytes; a long schema is held by `a_schema_of_any_service`.
        assert!(count + 2 >= cases || file == "method_id", "{line}: of {cases}");
        (files, passed) = (files + 1, passed + count);
    }
    assert!(files >= 10 && passed > 400, "{said}");
}

/// The dissector's tables are the registry's.
#[test]
fn its_tables_are_the_registrys() {
    let lua = dissector();
    let check = |list: &str, number: &str| {
        for row in rows(list, &[number, "name"]) {
            let entry = format!("[{}] = \"{}\"", row[0], row[1]);
            assert!(lua.contains(&entry), "{list}: {entry} isn't in micronet.lua");
        }
    };
    for list in ["kind", "error", "credential", "health", "fault", "retry", "class"] {
        check(list, "number");
    }
    check("principal", "kind");
    for row in rows("kind", &["name", "sent_by"]) {
        let entry = format!("{} = \"{}\"", row[0], row[1]);
        assert_eq!(lua.contains(&entry), row[1] != "both", "{entry}");
    }
    for row in rows("hello_key", &["key", "name"]) {
        let (key, name): (u32, _) = (row[0].parse().unwrap(), row[1].to_lowercase());
        let entries = [format!("[{key}] = {{ \"{name}\""), format!("[0x{key:04X}] = {{ \"{name}\"")];
        assert!(entries.iter().any(|entry| lua.contains(entry)), "{entries:?}");
    }
    for row in rows("flag", &["bit", "name"]) {
        assert!(lua.contains(&format!("\"{}\", 8, nil, {}", row[1], row[1])), "{row:?}");
    }
    for row in rows("shape", &["name", "requests", "replies"]) {
        for says in [format!("{} = \"{}\"", row[0], row[1]), format!("{} = \"{}\"", row[0], row[2])] {
            assert!(lua.contains(&says), "{says}");
        }
    }
}

/// The names of fields are what filters are made of, so each is on the page that tells of them.
#[test]
fn every_field_is_documented() {
    let page = std::fs::read_to_string(folder().join("WIRESHARK.md")).unwrap();
    let lua = dissector();
    let named = lua.lines().filter_map(|line| {
        let rest = line.strip_prefix("field(\"")?;
        rest.split('"').nth(2).map(str::to_owned)
    });
    let warnings = lua.lines().filter_map(|line| {
        let rest = line.split_once("= expert(\"")?.1;
        rest.split('"').next().map(|name| format!("expert.{name}"))
    });
    let names: Vec<String> = named.chain(warnings).collect();
    assert!(names.len() > 100, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("`micronet.{name}`")), "micronet.{name} isn't in WIRESHARK.md");
    }
}

/// What a schema is as a script says the same as what it is on the wire.
#[test]
fn a_schema_as_a_script_is_one() {
    let file = std::env::temp_dir().join(format!("micronet-schemas-{}.lua", std::process::id()));
    let vectors = micronet_tests::spec::vectors("schema");
    let schemas = vectors["cases"].as_array().unwrap().iter().filter(|case| case.get("refused").is_none());
    let encoded = |case: &Value| EncodedSchema::decode(micronet_tests::spec::bytes_of(case).into()).unwrap();
    let scripts: String = schemas.clone().map(|case| encoded(case).to_lua()).collect();
    // tshark has a Lua of its own; how many schemas it finds is said by a line of ours.
    let count = "\nlocal count = 0\nfor _ in pairs(_G.micronet_schemas) do count = count + 1 end\nprint(\"schemas: \" .. count)\n";
    std::fs::write(&file, scripts + count).unwrap();
    let mut tshark = Command::new("tshark");
    tshark.arg("-X").arg(format!("lua_script:{}", file.display())).args(["-G", "currentprefs"]);
    let output = tshark.output().expect("tshark: apt-get install tshark");
    let said = String::from_utf8_lossy(&output.stdout);
    std::fs::remove_file(&file).unwrap();
    let distinct: std::collections::BTreeSet<_> = schemas.map(|case| encoded(case).fingerprint()).collect();
    assert!(
        said.contains(&format!("schemas: {}\n", distinct.len())),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The capture that is in the repository, and what is said of it there.
#[test]
fn the_capture_of_the_shop() {
    let examples = folder().join("examples");
    let mut show = Command::new(examples.join("wireshark/show"));
    let output = show.arg(examples.join("shop.pcap")).output().expect("bash");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    assert_eq!(said, std::fs::read_to_string(examples.join("shop.txt")).unwrap());
}
