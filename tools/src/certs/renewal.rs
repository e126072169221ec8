//! The certificates of a network that `up` runs: issued before its processes start, and again in good time.

use super::authority::{Authority, Holder};
use super::folder::CertsFolder;
use super::unix_s;
use crate::error::CommandError;
use crate::terminal;

/// The pause after a renewal that failed, in seconds.
const RETRY_S: u64 = 30;

/// Who holds certificates, and when they are due.
pub(crate) struct Renewal {
    folder: CertsFolder,
    cluster: String,
    holders: Vec<Holder>,
    lifetime_s: u64,
    due_s: u64,
}

impl Renewal {
    /// Issues the certificates of these instances, each by its service and its own name, and the operator's. The CA is made where
    /// there is none.
    pub(crate) fn begin<'i>(
        folder: CertsFolder,
        cluster: &str,
        instances: impl Iterator<Item = (&'i str, &'i str)>,
        lifetime_s: u64,
    ) -> Result<Self, CommandError> {
        let authority = Authority::open_or_create(&folder, cluster)?;
        let services: Result<Vec<Holder>, CommandError> =
            instances.map(|(node, instance)| Holder::service(cluster, node, instance, (&[], &[]))).collect();
        let mut holders = services?;
        holders.push(Holder::operator(cluster));
        let mut renewal = Self { folder, cluster: cluster.to_owned(), holders, lifetime_s, due_s: 0 };
        renewal.issue(&authority)?;
        Ok(renewal)
    }

    /// Issues the certificate of one more instance.
    pub(crate) fn add(&mut self, node: &str, instance: &str) -> Result<(), CommandError> {
        let holder = Holder::service(&self.cluster, node, instance, (&[], &[]))?;
        let authority = Authority::open_of(&self.folder, &self.cluster)?;
        authority.issue_into(&self.folder, &holder, self.lifetime_s)?;
        if !self.holders.contains(&holder) {
            self.holders.push(holder);
        }
        Ok(())
    }

    /// Issues them again when half of their time is over, as SPIRE does: whoever is away for a while finds good ones.
    pub(crate) fn renew_if_due(&mut self) {
        if unix_s() < self.due_s {
            return;
        }
        // Opened again each time: it may have been replaced.
        match Authority::open_of(&self.folder, &self.cluster).and_then(|authority| self.issue(&authority)) {
            Ok(()) => tracing::info!(count = self.holders.len(), "certificates were renewed"),
            Err(error) => {
                self.due_s = unix_s() + RETRY_S.min(self.lifetime_s.div_ceil(4));
                terminal::warn(&format!("the certificates could not be renewed: {error}"));
            }
        }
    }

    fn issue(&mut self, authority: &Authority) -> Result<(), CommandError> {
        for holder in &self.holders {
            authority.issue_into(&self.folder, holder, self.lifetime_s)?;
        }
        self.due_s = unix_s() + self.lifetime_s / 2;
        Ok(())
    }
}
