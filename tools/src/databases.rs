//! The databases of a network: where they are, which demonstration data they hold, and how they come to be.

use std::fs;
use std::io;
use std::path::PathBuf;

use micronet_services::database::{Databases, ServerUrl};
use micronet_services::demo::Demo;
use micronet_services::run::Environment;

use crate::data_folder::{self, DataFolder, failed};
use crate::error::CommandError;
use crate::registry::Service;

/// Where the databases are: on the server, or where none is named in the data folder.
pub(crate) fn place(data: &DataFolder, server: Option<&ServerUrl>) -> Databases {
    match server {
        Some(server) => Databases::Server(server.clone()),
        None => Databases::Folder(data.databases()),
    }
}

/// Settles which demonstration data these databases hold: what they were made with, else what is asked for, else the
/// shop. Data that is there is never mixed with another demonstration's.
pub(crate) fn settle_demo(
    data: &DataFolder,
    databases: &Databases,
    asked: Option<Demo>,
) -> Result<Demo, CommandError> {
    let path = note_of_demo(data, databases);
    let there = match fs::read_to_string(&path) {
        Ok(text) => Demo::ALL.into_iter().find(|demo| demo.name() == text.trim_end()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed("read", &path, &error)),
    };
    match (there, asked) {
        (Some(there), Some(asked)) if there != asked => Err(CommandError::new(format!(
            "the databases in {databases} were made with --demo {there}, not {asked}"
        ))
        .next(match databases {
            Databases::Folder(_) => format!(
                "keep them with --demo {there}, name another folder with --data DIR, or delete them with up --fresh"
            ),
            Databases::Server(_) => {
                format!("keep them with --demo {there}, or name another database with --database URL")
            }
        })),
        (Some(there), _) => Ok(there),
        (None, asked) => {
            let demo = asked.unwrap_or(Demo::Shop);
            let content = format!("{demo}\n");
            data_folder::write_atomically(&path, content.as_bytes())
                .map_err(|error| failed("write", &path, &error))?;
            Ok(demo)
        }
    }
}

/// The file that says which demonstration data the databases were made with.
fn note_of_demo(data: &DataFolder, databases: &Databases) -> PathBuf {
    let name = match databases {
        Databases::Folder(_) => "demo".into(),
        Databases::Server(server) => {
            let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
            format!("demo-{}", server.to_string().chars().map(plain).collect::<String>())
        }
    };
    data.databases().join(name)
}

/// Creates, migrates and fills the databases of these services. What is there already stays as it is.
pub(crate) async fn prepare_databases(
    databases: &Databases,
    services: impl IntoIterator<Item = &'static Service>,
    demo: Demo,
) -> Result<(), CommandError> {
    for service in services {
        let environment = Environment { database: databases.clone(), demo, ..Environment::default() };
        (service.prepare)(environment).await.map_err(|error| CommandError::new(error.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_folder::tests::ScratchFolder;

    #[test]
    fn a_folder_keeps_the_demonstration_that_it_was_made_with() {
        let scratch = ScratchFolder::new("demo");
        let data = scratch.open();
        assert_eq!(settle_demo(&data, &place(&data, None), Some(Demo::ToyStore)), Ok(Demo::ToyStore));
        assert_eq!(settle_demo(&data, &place(&data, None), None), Ok(Demo::ToyStore));
        assert_eq!(settle_demo(&data, &place(&data, None), Some(Demo::ToyStore)), Ok(Demo::ToyStore));
        assert!(
            settle_demo(&data, &place(&data, None), Some(Demo::Shop))
                .unwrap_err()
                .to_string()
                .contains("--fresh")
        );
        data.delete_databases(&data.lock_network().unwrap()).unwrap();
        assert_eq!(settle_demo(&data, &place(&data, None), None), Ok(Demo::Shop));

        // A server has its own, whatever the folder holds.
        let server: ServerUrl = "postgres://u:sesame@db/shop".parse().unwrap();
        let server = place(&data, Some(&server));
        assert_eq!(settle_demo(&data, &server, Some(Demo::None)), Ok(Demo::None));
        assert_eq!(settle_demo(&data, &server, None), Ok(Demo::None));
        let refused = settle_demo(&data, &server, Some(Demo::Shop)).unwrap_err().to_string();
        assert!(refused.contains("postgres://u@db:5432/shop") && !refused.contains("sesame"), "{refused}");
    }
}
