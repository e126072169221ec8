//! What the running network has: its services and instances, and what they can be called for.

use std::path::PathBuf;
use std::time::Duration;

use micronet_wire::schema::{EncodedSchema, Field, Type};

use super::Candidate;
use crate::call;
use crate::config::Callee;
use crate::network_file::{NetworkFile, Protocol};
use crate::server_process;

/// How long an instance may take to tell its schema, while somebody waits at a prompt.
const DEADLINE: Duration = Duration::from_millis(800);

/// The network that runs on a data folder. Where none runs, it has nothing.
pub(super) struct Network {
    data: PathBuf,
    file: Option<NetworkFile>,
}

impl Network {
    pub(super) fn new(data: PathBuf) -> Self {
        let file = NetworkFile::of_running_network(&data).ok().flatten();
        Self { data, file }
    }

    fn rpc(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.file.iter().flat_map(|file| &file.entries);
        let rpc = entries.filter(|entry| entry.protocol == Protocol::Rpc);
        rpc.map(|entry| (entry.service.as_str(), entry.instance.as_str()))
    }

    pub(super) fn services(&self) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = self.rpc().map(|(service, _)| Candidate::new(service, "")).collect();
        found.dedup();
        found
    }

    pub(super) fn instances(&self) -> Vec<Candidate> {
        self.rpc().map(|(_, instance)| Candidate::new(instance, "")).collect()
    }

    /// Services, until one is named; then its methods.
    pub(super) fn methods_of(&self, typed: &str) -> Vec<Candidate> {
        match typed.split_once('.') {
            Some((service, _)) => self.methods(service, &format!("{service}.")),
            None => {
                let dotted =
                    |service: Candidate| Candidate::new(format!("{}.", service.value), service.about);
                self.services().into_iter().map(dotted).collect()
            }
        }
    }

    /// The methods of a service, with this before each of them.
    pub(super) fn methods(&self, service: &str, prefix: &str) -> Vec<Candidate> {
        let Some(schema) = self.schema(service) else { return Vec::new() };
        let methods = schema.schema().methods.iter();
        methods.map(|method| Candidate::new(format!("{prefix}{}", method.name), &method.doc)).collect()
    }

    /// The fields of a method's request, as they are written on the command line.
    pub(super) fn fields(&self, service: &str, method: &str) -> Vec<Candidate> {
        let Some(schema) = self.schema(service) else { return Vec::new() };
        let schema = schema.schema();
        let request = schema.method_named(method).and_then(|method| schema.type_at(method.request));
        let Some(Type::Struct { fields, .. }) = request else { return Vec::new() };
        let assigned = |field: &Field| {
            let is_json = matches!(
                schema.type_at(field.of),
                Some(Type::List { .. } | Type::Map { .. } | Type::Struct { .. })
            );
            Candidate::new(format!("{}{}", field.name, if is_json { ":=" } else { "=" }), &field.doc)
        };
        fields.iter().map(assigned).collect()
    }

    fn schema(&self, service: &str) -> Option<EncodedSchema> {
        self.file.as_ref()?;
        let callee = Callee {
            service: service.to_owned(),
            to: None,
            deadline: DEADLINE,
            tls: None,
            anonymous: false,
            data: self.data.clone(),
        };
        let asking = async { tokio::time::timeout(DEADLINE, call::reach(&callee)).await };
        Some(server_process::runtime().ok()?.block_on(asking).ok()?.ok()?.schema)
    }
}
