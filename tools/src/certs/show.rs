//! `micronet certs show`: what there is, until when it is good, and by which mark it is known.

use serde_json::{Value, json};

use super::folder::CertsFolder;
use super::inspected::Inspected;
use super::unix_s;
use crate::error::CommandError;
use crate::table::{Align, Table};
use crate::terminal::{self, Style};

/// Characters of a fingerprint that the table shows; --json has all of them.
const FINGERPRINT_SHOWN: usize = 16;

/// Prints the CA and every certificate.
pub(super) fn run(folder: &CertsFolder, as_json: bool, style: Style) -> Result<(), CommandError> {
    if !folder.ca().exists() {
        return Err(CommandError::new(format!("there is no CA in {}", folder.path().display()))
            .next("make one: micronet certs init"));
    }
    let ca = Inspected::read(&folder.ca())?;
    let mut rows = Vec::new();
    for name in folder.names()? {
        let found = Inspected::read(&folder.of(&name))?;
        let status = if found.is_signed_by(&ca) { status(&found) } else { "of another CA" };
        rows.push((name, found, status));
    }
    let status = status(&ca);
    rows.insert(0, ("ca".to_owned(), ca, status));
    if as_json {
        let rows: Vec<Value> =
            rows.iter().map(|(name, found, status)| to_json(name, found, status)).collect();
        terminal::say(&format!("{:#}", Value::from(rows)));
        return Ok(());
    }
    terminal::say(&table(&rows).draw(style));
    Ok(())
}

fn status(found: &Inspected) -> &'static str {
    if found.not_after_s > unix_s().cast_signed() { "good" } else { "expired" }
}

fn table(rows: &[(String, Inspected, &'static str)]) -> Table {
    let heading = ["NAME", "SUBJECT", "SPIFFE ID", "EXPIRES", "STATUS", "SHA-256"];
    let mut table = Table::new(&heading.map(|name| (name, Align::Left)));
    for (name, found, status) in rows {
        table.row(vec![
            name.clone(),
            found.subject.clone(),
            spiffe_id(found).unwrap_or_else(|| "none".into()),
            found.expires.clone(),
            (*status).to_owned(),
            found.fingerprint[..FINGERPRINT_SHOWN].to_owned(),
        ]);
    }
    table
}

fn to_json(name: &str, found: &Inspected, status: &str) -> Value {
    json!({
        "name": name,
        "subject": found.subject,
        "spiffe_id": spiffe_id(found),
        "dns": found.dns,
        "ips": found.ips,
        "expires": found.expires,
        "status": status,
        "sha256": found.fingerprint,
    })
}

fn spiffe_id(found: &Inspected) -> Option<String> {
    let of_ca = found.trust_domain.as_ref().map(|cluster| format!("spiffe://{cluster}"));
    found.id.as_ref().map(ToString::to_string).or(of_ca)
}
