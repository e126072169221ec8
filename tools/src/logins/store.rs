//! The file of those who have signed in: in the user's own folder of settings, for nobody else to read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::address::HostPort;
use crate::data_folder::{create_folder, write_atomically};
use crate::error::CommandError;

/// The form of the file; a reader refuses one that it doesn't know.
const FORM: u64 = 1;
/// Its name.
const FILE: &str = "logins.json";

/// One login.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) email: String,
    pub(super) access_token: String,
    /// When the access token ends, in seconds since 1970.
    pub(super) expires_s: u64,
    pub(super) refresh_token: String,
}

impl Login {
    /// What `auth` has given.
    pub(super) fn of_tokens(email: &str, tokens: &Value, now_s: u64) -> Option<Self> {
        Some(Self {
            email: email.to_owned(),
            access_token: tokens["access_token"].as_str()?.to_owned(),
            expires_s: now_s + tokens["expires_in"].as_u64()?,
            refresh_token: tokens["refresh_token"].as_str()?.to_owned(),
        })
    }

    fn of_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Some(Self {
            email: text("email")?,
            access_token: text("access_token")?,
            expires_s: value["expires"].as_u64()?,
            refresh_token: text("refresh_token")?,
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "email": self.email, "access_token": self.access_token, "expires": self.expires_s,
            "refresh_token": self.refresh_token,
        })
    }
}

/// All logins, by their gateway. Nobody else changes them while this is held.
pub(super) struct Logins {
    path: PathBuf,
    list: BTreeMap<String, Login>,
    _lock: File,
}

impl Logins {
    /// Whether anybody has ever signed in.
    pub(super) fn are_there(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Reads them, once nobody else has them.
    pub(super) fn locked(folder: &Path) -> Result<Self, CommandError> {
        let path = folder.join(FILE);
        let failed = |verb: &str, error: &io::Error| {
            CommandError::new(format!("could not {verb} {}: {error}", path.display()))
                .next("XDG_CONFIG_HOME names another folder")
        };
        create_folder(folder).map_err(|error| failed("make the folder of", &error))?;
        let lock = File::options().write(true).create(true).truncate(false).open(folder.join("logins.lock"));
        let lock =
            lock.and_then(|lock| lock.lock().map(|()| lock)).map_err(|error| failed("lock", &error))?;
        let list = match fs::read_to_string(&path) {
            Ok(text) => read(&text).ok_or_else(|| {
                CommandError::new(format!("{} is no file of logins of this version", path.display()))
                    .next("remove it, and sign in again")
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(failed("read", &error)),
        };
        Ok(Self { path, list, _lock: lock })
    }

    /// Changes them, and writes them.
    pub(super) fn change<T>(folder: &Path, change: impl FnOnce(&mut Self) -> T) -> Result<T, CommandError> {
        let mut logins = Self::locked(folder)?;
        let changed = change(&mut logins);
        logins.write()?;
        Ok(changed)
    }

    pub(super) fn get(&self, at: &HostPort) -> Option<&Login> {
        self.list.get(&at.to_string())
    }

    pub(super) fn set(&mut self, at: &HostPort, login: Login) {
        self.list.insert(at.to_string(), login);
    }

    pub(super) fn remove(&mut self, at: &HostPort) -> Option<Login> {
        self.list.remove(&at.to_string())
    }

    pub(super) fn write(&self) -> Result<(), CommandError> {
        let list: serde_json::Map<_, _> =
            self.list.iter().map(|(at, login)| (at.clone(), login.to_json())).collect();
        let file = json!({ "form": FORM, "logins": list });
        write_atomically(&self.path, format!("{file:#}\n").as_bytes())
            .map_err(|error| CommandError::new(format!("could not write {}: {error}", self.path.display())))
    }
}

fn read(text: &str) -> Option<BTreeMap<String, Login>> {
    let file: Value = serde_json::from_str(text).ok()?;
    if file["form"].as_u64() != Some(FORM) {
        return None;
    }
    file["logins"].as_object()?.iter().map(|(at, login)| Some((at.clone(), Login::of_json(login)?))).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::data_folder::tests::ScratchFolder;

    #[test]
    fn logins_are_kept_for_each_gateway_and_for_nobody_else() {
        let scratch = ScratchFolder::new("logins");
        let folder = scratch.0.join("config");
        let at = |port| HostPort::new("localhost", port);
        let tokens = json!({"access_token": "a", "expires_in": 60, "refresh_token": "r"});
        let login = Login::of_tokens("ada@example.com", &tokens, 1_000).unwrap();
        Logins::change(&folder, |logins| logins.set(&at(8000), login.clone())).unwrap();
        Logins::change(&folder, |logins| logins.set(&at(9000), login.clone())).unwrap();
        let mode = fs::metadata(folder.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(Logins::change(&folder, |logins| logins.remove(&at(9000))).unwrap() == Some(login.clone()));
        let logins = Logins::locked(&folder).unwrap();
        assert!(logins.get(&at(8000)) == Some(&login) && logins.get(&at(9000)).is_none());
        assert_eq!(logins.get(&at(8000)).unwrap().expires_s, 1_060);
    }

    #[test]
    fn a_file_of_another_form_is_refused() {
        for text in ["", "{}", r#"{"form":2,"logins":{}}"#, r#"{"form":1,"logins":{"a:1":{}}}"#] {
            assert!(read(text).is_none(), "{text}");
        }
        assert!(read(r#"{"form":1,"logins":{}}"#).is_some());
    }
}
