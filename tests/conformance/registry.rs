//! registry.toml, the tables of SPEC.md and the tables in the code say the same, both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use bytes::{Buf, BufMut, Bytes};
use micronet_tests::spec;
use micronet_wire::conn::Announcement;
use micronet_wire::error::{Code, Retry};
use micronet_wire::faults::FaultCode;
use micronet_wire::header::PREFACE;
use micronet_wire::hello::{self, Hello, PROOF_BYTES, check_proof};
use micronet_wire::request::RequestHead;
use micronet_wire::schema::{Field, Message, ServiceSchema, Type, TypeRef, TypeRegistry, Variant};
use toml::Value;

use crate::codec::fault_name;

pub(crate) fn registry() -> toml::Table {
    spec::read("proto-spec/registry.toml").parse().unwrap()
}

/// The entries of a list of the registry, each as its fields in this order.
pub(crate) fn rows(list: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        other => panic!("{other:?} is nothing that the registry has"),
    };
    let registry = registry();
    let entries = registry[list].as_array().unwrap();
    entries.iter().map(|entry| fields.iter().map(|field| plain(&entry[*field])).collect()).collect()
}

pub(crate) fn row<const N: usize>(cells: [&dyn Display; N]) -> Vec<String> {
    cells.iter().map(ToString::to_string).collect()
}

/// The columns of a table of SPEC.md.
pub(crate) fn columns(after: &str, head: &str, wanted: &[usize]) -> Vec<Vec<String>> {
    let text = spec::read("proto-spec/SPEC.md");
    let table = spec::table(&text, after, head);
    table.into_iter().map(|cells| wanted.iter().map(|at| cells[*at].clone()).collect()).collect()
}

/// Numbers that SPEC.md writes in hexadecimal, as decimal ones.
pub(crate) fn from_hex(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    for row in &mut rows {
        row[0] = u32::from_str_radix(&row[0], 16).unwrap().to_string();
    }
    rows
}

#[test]
fn protocol() {
    let protocol = &registry()["protocol"];
    assert_eq!(protocol["preface"].as_str(), Some(&*spec::hex(&PREFACE)));
    assert_eq!(protocol["version_min"].as_integer(), Some(hello::VERSION_MIN.into()));
    assert_eq!(protocol["version_max"].as_integer(), Some(hello::VERSION_MAX.into()));
    assert_eq!(protocol["encoding"].as_integer(), Some(micronet_wire::encoding::ENCODING_ID.into()));
}

#[test]
fn error_codes() {
    let retry_name = |retry| match retry {
        Retry::Never => "never",
        Retry::NeverStarted => "never_started",
        Retry::MaybeExecuted => "maybe_executed",
    };
    let code: Vec<_> = Code::ALL
        .iter()
        .map(|code| {
            let (fault, retry) = (fault_name(code.fault()), retry_name(code.retry()));
            row([&(*code as u16), &code.name(), &code.http_status(), &fault, &retry])
        })
        .collect();
    assert_eq!(rows("error", &["number", "name", "http", "fault", "retry"]), code);
    let mut table = columns("**8.2**", "| number | name | HTTP", &[0, 1, 2, 3, 4, 5]);
    for row in &mut table {
        row[5] = (row[5] == "yes").to_string();
    }
    assert_eq!(rows("error", &["number", "name", "http", "fault", "retry", "closes"]), table);
    let advice = [Retry::Never, Retry::NeverStarted, Retry::MaybeExecuted];
    let advice: Vec<_> = advice.into_iter().map(|retry| row([&retry.number(), &retry_name(retry)])).collect();
    assert_eq!(rows("retry", &["number", "name"]), advice);
    assert_eq!(advice, columns("**8.3**", "| number | name", &[0, 1]));
}

/// What the codec knows shows in what it doesn't refuse as unknown.
#[test]
fn hello_keys() {
    let known = |key: u16| {
        let mut payload = vec![1, 1];
        payload.put_u16(key);
        payload.put_u16(0);
        // An empty value is malformed for every key that is known, and UNSUPPORTED for one that isn't.
        !matches!(Hello::decode(&payload), Err((Code::Capability, _)))
    };
    let mut in_code: Vec<u16> = (0..0x8000).filter(|key| known(*key)).collect();
    // Of the ignorable ones nobody sees whether they are known, but they are sent.
    let mut payload = Vec::new();
    Hello { software: "a".into(), ..Hello::default() }.encode(&mut payload);
    let mut entries = &payload[2..];
    while entries.has_remaining() {
        let (key, length) = (entries.get_u16(), entries.get_u16());
        entries.advance(length.into());
        if key & 0x8000 != 0 {
            in_code.push(key);
        }
    }
    in_code.sort_by_key(|key| key & 0x7FFF);
    let listed: Vec<u16> = rows("hello_key", &["key"]).iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(listed, in_code);
    assert_eq!(rows("hello_key", &["key", "name"]), from_hex(columns("**3.2**", "| key", &[0, 1])));
}

/// An empty value is refused for every key that may be announced; the others can't be changed, aren't known, or are skipped.
#[test]
fn announce_keys() {
    let known = |key: &u16| {
        let mut payload = Vec::new();
        payload.put_u16(*key);
        payload.put_u16(0);
        match Announcement::decode(&payload) {
            Err((Code::Protocol, words)) => !words.contains("can't be changed"),
            _ => false,
        }
    };
    let in_code: Vec<_> = (0..=u16::MAX).filter(known).map(|key| row([&key])).collect();
    assert_eq!(rows("announce_key", &["key"]), in_code);
    assert_eq!(rows("announce_key", &["key", "name"]), from_hex(columns("**3.10**", "| key", &[0, 1])));
}

#[test]
fn credentials() {
    let known = |number: u8| {
        let payload = [&[number][..], &[0; PROOF_BYTES - 1]].concat();
        let checked = check_proof(&payload, |_| None, &Hello::default(), &Hello::default());
        matches!(checked, Err((Code::BadProof, _)))
    };
    let in_code: Vec<_> =
        (0..=u8::MAX).filter(|number| known(*number)).map(|number| row([&number])).collect();
    assert_eq!(rows("credential", &["number"]), in_code);
    assert_eq!(rows("credential", &["number", "name"]), columns("**3.7**", "| credential", &[0, 1]));
}

#[test]
fn request_tags_and_principals() {
    let words = |tag: u8, value: &[u8]| {
        let mut payload = Vec::new();
        payload.put_u16(u16::try_from(7 + value.len()).unwrap());
        payload.put_u32(1);
        payload.put_u8(tag);
        payload.put_u16(u16::try_from(value.len()).unwrap());
        payload.put_slice(value);
        RequestHead::decode(Bytes::from(payload)).err().map_or_else(String::new, |error| error.message)
    };
    let in_code: Vec<_> =
        (1..0x80).filter(|tag| !words(*tag, b"").contains("unknown")).map(|tag: u8| row([&tag])).collect();
    assert_eq!(rows("request_tag", &["tag"]), in_code);
    assert_eq!(rows("request_tag", &["tag", "name"]), columns("**6.3**", "| tag", &[0, 1]));
    let in_code: Vec<_> =
        (0..=u8::MAX).filter(|class| words(6, &[*class]).is_empty()).map(|class| row([&class])).collect();
    assert_eq!(rows("class", &["number"]), in_code);
    assert_eq!(rows("class", &["number", "name"]), columns("**6.7**", "| class", &[0, 1]));
    // A kind of principal is known when it goes with no name, or with one, or three.
    let known = |kind: &u8| {
        [&[*kind][..], &[*kind, 1, b'a'], &[*kind, 1, b'a', 1, b'b', 1, b'c']]
            .iter()
            .any(|value| words(4, value).is_empty())
    };
    let in_code: Vec<_> = (0..=u8::MAX).filter(known).map(|kind| row([&kind])).collect();
    assert_eq!(rows("principal", &["kind"]), in_code);
    assert_eq!(rows("principal", &["kind", "name"]), columns("**6.5**", "| kind", &[0, 1]));
}

#[test]
fn fault_codes() {
    let in_code: Vec<_> = FaultCode::ALL.iter().map(|code| row([code])).collect();
    assert_eq!(rows("fault_code", &["name"]), in_code);
    assert_eq!(in_code, columns("**8.6**", "| code |", &[0]));
}

#[test]
fn schema_variants_and_fields() {
    let mut types = TypeRegistry::default();
    ServiceSchema::describe(&mut types);
    let (mut in_code, mut fields_in_code) = (BTreeSet::new(), BTreeMap::new());
    for described in types.into_types() {
        match described {
            Type::Enum { name, variants, .. } => {
                in_code.extend((0..).zip(&variants).map(|(at, one): (u32, _)| row([&name, &at, &one.name])));
            }
            Type::Struct { name, fields, .. } => {
                let names: Vec<String> = fields.into_iter().map(|field| field.name).collect();
                fields_in_code.insert(name, names);
            }
            _ => {}
        }
    }
    let listed: BTreeSet<_> = rows("variant", &["of", "index", "name"]).into_iter().collect();
    assert_eq!(listed, in_code);
    let mut owner = String::new();
    let (mut variants, mut fields) = (BTreeSet::new(), BTreeMap::new());
    for cells in columns("**10.4**", "| type | index", &[0, 1, 2, 3]) {
        if !cells[0].is_empty() {
            owner.clone_from(&cells[0]);
        }
        if cells[1].is_empty() {
            // As `name String, doc String`.
            let names = cells[3].split(", ").filter_map(|field| field.split(' ').next()).map(str::to_owned);
            fields.insert(owner.clone(), names.collect::<Vec<_>>());
        } else {
            variants.insert(row([&owner, &cells[1], &cells[2]]));
        }
    }
    assert_eq!(variants, in_code);
    assert_eq!(fields, fields_in_code);
}

/// SPEC 10.8: the service that every instance answers.
#[test]
fn builtin_service() {
    let schema = micronet_wire::builtin::builtin_schema();
    let in_code: Vec<_> = schema
        .methods
        .iter()
        .map(|method| {
            let name = format!("{}.{}", schema.name, method.name);
            let [request, reply] = [method.request, method.reply].map(|at| in_words(&schema, at));
            row([&name, &format!("{:08X}", method.id), &request, &reply])
        })
        .collect();
    let mut in_spec = columns("**10.8**", "| method | id", &[0, 1, 2, 3]);
    for row in &mut in_spec {
        row[3] = row[3].replace(" (16 bytes, 10.3)", "").replace(" (10.4)", "");
    }
    assert_eq!(in_spec, in_code);
}

/// A type as the table of the built-in service writes it.
fn in_words(schema: &ServiceSchema, at: TypeRef) -> String {
    let fields = |fields: &[Field]| {
        let field = |field: &Field| format!("{} {}", field.name, in_words(schema, field.of));
        fields.iter().map(field).collect::<Vec<_>>().join(", ")
    };
    match schema.type_at(at).unwrap() {
        Type::Struct { fields: of, .. } => format!("Struct: {}", fields(of)),
        Type::Enum { variants, .. } => {
            let variant = |variant: &Variant| format!("{} {}", variant.name, fields(&variant.fields));
            let variants: Vec<_> = variants.iter().map(|of| variant(of).trim_end().to_owned()).collect();
            format!("Enum: {}", variants.join("; "))
        }
        Type::Option { item } => format!("Option of {}", in_words(schema, *item)),
        plain => format!("{plain:?}"),
    }
}

/// The limits in the sections of limits.rs that name SPEC.md, read from its text so that none can be forgotten.
pub(crate) fn limits_in_code() -> BTreeMap<String, u64> {
    let mut limits = BTreeMap::new();
    let mut specified = false;
    for line in spec::read("wire/src/limits.rs").lines() {
        if let Some(section) = line.strip_prefix("// ---- ") {
            specified = section.contains("SPEC.md");
        }
        if let Some((name, value)) = line.strip_prefix("pub const ").and_then(|rest| rest.split_once(": "))
            && specified
        {
            let value = value.split_once(" = ").unwrap().1.trim_end_matches(';').replace('_', "");
            limits.insert(name.to_owned(), number(&value));
        }
    }
    limits
}

/// The value of a constant as limits.rs writes them: `24`, `2 << 20`, `u32::MAX - 1`.
fn number(text: &str) -> u64 {
    match text.split_once(" << ").or_else(|| text.split_once(" - ")) {
        Some(("u32::MAX", less)) => u64::from(u32::MAX) - number(less),
        Some((value, bits)) => number(value) << number(bits),
        None => text.parse().unwrap_or_else(|_| panic!("{text} is no number that this test can read")),
    }
}

#[test]
fn limits() {
    let registry = registry();
    let listed = |group: &str| -> BTreeMap<String, u64> {
        let table = registry["limits"][group].as_table().unwrap();
        table
            .iter()
            .map(|(name, value)| (name.clone(), value.as_integer().unwrap().try_into().unwrap()))
            .collect()
    };
    let in_spec = |after: &str| -> BTreeMap<String, u64> {
        let rows = columns(after, "| name | value", &[0, 1]);
        rows.into_iter().map(|row| (row[0].clone(), row[1].parse().unwrap())).collect()
    };
    assert_eq!(listed("protocol"), in_spec("**11.1**"));
    assert_eq!(listed("local"), in_spec("**11.2**"));
    let all: BTreeMap<_, _> = listed("protocol").into_iter().chain(listed("local")).collect();
    assert_eq!(all, limits_in_code());
}

/// SPEC.md's numbers of clauses: each `**n.m**` once, in order; and the code cites only what is there.
#[test]
fn clauses() {
    let text = spec::read("proto-spec/SPEC.md");
    let numbered = |part: &str| {
        let (section, clause) = part.split_once('.')?;
        Some((section.parse::<u32>().ok()?, clause.parse::<u32>().ok()?))
    };
    let clauses: Vec<_> =
        text.lines().filter_map(|line| numbered(line.strip_prefix("**")?.split_once("**")?.0)).collect();
    for pair in clauses.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        assert!(
            after == (before.0, before.1 + 1) || after == (before.0 + 1, 1),
            "{after:?} after {before:?}"
        );
    }
    let mut cited = BTreeSet::new();
    for path in sources("wire/src") {
        let source = spec::read(&path);
        for (at, _) in source.match_indices("SPEC") {
            let rest = source[at..].trim_start_matches("SPEC").trim_start_matches(".md").trim_start();
            for part in rest
                .split([',', ')', ':', ' '])
                .filter(|part| !part.is_empty())
                .take_while(|part| part.starts_with(|c: char| c.is_ascii_digit()))
            {
                cited.extend(numbered(part.trim_end_matches('.')).map(|clause| (clause, path.clone())));
            }
        }
    }
    assert!(cited.len() > 20, "this test no longer finds the citations");
    for (clause, path) in cited {
        assert!(clauses.contains(&clause), "{path} cites {clause:?}, which SPEC.md hasn't got");
    }
}

fn sources(folder: &str) -> Vec<String> {
    let root = spec::folder().join("..");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            found.extend(sources(&path));
        } else if path.ends_with(".rs") {
            found.push(path);
        }
    }
    found
}
