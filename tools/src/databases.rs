//! The databases of a data folder: which demonstration data they hold, and how they come to be.

use std::fs;
use std::io;

use micronet_services::database::Databases;
use micronet_services::demo::Demo;
use micronet_services::run::Environment;

use crate::data_folder::{self, DataFolder, failed};
use crate::error::CommandError;
use crate::registry::Service;

/// Settles which demonstration data this folder's databases hold: what they were made with, else what is asked for,
/// else the shop. Data that is there is never mixed with another demonstration's.
pub(crate) fn settle_demo(data: &DataFolder, asked: Option<Demo>) -> Result<Demo, CommandError> {
    let path = data.databases().join("demo");
    let there = match fs::read_to_string(&path) {
        Ok(text) => Demo::ALL.into_iter().find(|demo| demo.name() == text.trim_end()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed("read", &path, &error)),
    };
    match (there, asked) {
        (Some(there), Some(asked)) if there != asked => Err(CommandError::new(format!(
            "the databases in {} were made with --demo {there}, not {asked}",
            data.path().display()
        ))
        .next(format!(
            "keep them with --demo {there}, name another folder with --data DIR, or delete them with up --fresh"
        ))),
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

/// Creates, migrates and fills the databases of these services. What is there already stays as it is.
pub(crate) async fn prepare_databases(
    data: &DataFolder,
    services: impl IntoIterator<Item = &'static Service>,
    demo: Demo,
) -> Result<(), CommandError> {
    for service in services {
        let environment =
            Environment { database: Databases::Folder(data.databases()), demo, ..Environment::default() };
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
        assert_eq!(settle_demo(&data, Some(Demo::ToyStore)), Ok(Demo::ToyStore));
        assert_eq!(settle_demo(&data, None), Ok(Demo::ToyStore));
        assert_eq!(settle_demo(&data, Some(Demo::ToyStore)), Ok(Demo::ToyStore));
        assert!(settle_demo(&data, Some(Demo::Shop)).unwrap_err().to_string().contains("--fresh"));
        data.delete_databases(&data.lock_network().unwrap()).unwrap();
        assert_eq!(settle_demo(&data, None), Ok(Demo::Shop));
    }
}
