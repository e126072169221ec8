//! A process's own certificate on its way to its end: one that has ended is of no use to start with, and one that nobody renews is
//! worth a word in time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::inspected::Inspected;
use super::unix_s;
use crate::error::CommandError;
use micronet_transport::tasks;

/// How often a running process looks, in seconds.
const INTERVAL_S: u64 = 60;

/// Refuses a certificate that has ended.
pub(crate) fn check(path: &Path, name: &str) -> Result<(), CommandError> {
    let found = Inspected::read(path)?;
    if found.not_after_s > unix_s().cast_signed() {
        return Ok(());
    }
    Err(CommandError::new(format!("{} has expired at {}", path.display(), found.expires))
        .next(format!("reissue it: micronet certs rotate {name}")))
}

/// Warns in the log, for as long as the process runs, when a quarter of a certificate's time is left and nobody has renewed it.
/// Within a runtime only.
pub(crate) fn watch(path: PathBuf) {
    tasks::spawn("expiry of a certificate", async move {
        loop {
            tokio::time::sleep(Duration::from_secs(INTERVAL_S)).await;
            if let Ok(found) = Inspected::read(&path)
                && let Some(words) = warning(&found, unix_s().cast_signed())
            {
                tracing::warn!(file = %path.display(), expires = found.expires, "{words}");
            }
        }
    });
}

/// What there is to say of a certificate at this time.
fn warning(found: &Inspected, now_s: i64) -> Option<&'static str> {
    let (whole, left) = (found.not_after_s - found.not_before_s, found.not_after_s - now_s);
    if left <= 0 {
        Some("the certificate has expired: nobody lets this process in; run `micronet certs rotate`")
    } else if left < whole / 4 {
        Some("the certificate expires soon, and nobody has renewed it: run `micronet certs rotate`")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::authority::{Authority, Holder};
    use super::super::folder::CertsFolder;
    use super::*;
    use crate::data_folder::tests::ScratchFolder;

    #[test]
    fn an_end_is_told_in_time() {
        let scratch = ScratchFolder::new("expiry");
        let folder = CertsFolder::new(&scratch.0);
        let authority = Authority::create(&folder, "lab", false).unwrap();
        authority.issue_into(&folder, &Holder::operator("lab"), 3600).unwrap();
        let path = folder.of("operator");
        assert_eq!(check(&path, "operator"), Ok(()));
        let found = Inspected::read(&path).unwrap();
        assert_eq!(warning(&found, found.not_after_s - 3600), None);
        assert!(warning(&found, found.not_after_s - 600).unwrap().contains("soon"));
        assert!(warning(&found, found.not_after_s).unwrap().contains("has expired"));
        authority.issue_into(&folder, &Holder::operator("lab"), 0).unwrap();
        let error = check(&path, "operator").unwrap_err().to_string();
        assert!(error.contains("has expired at") && error.contains("certs rotate operator"), "{error}");
    }
}
