//! Who has signed in at which gateway: `micronet login`, `logout` and `whoami`, and the token of a call that is made so.

pub(crate) mod front;
mod password;
mod store;

use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use self::front::Front;
use self::store::{Login, Logins};
use crate::address::HostPort;
use crate::config::{CallConfig, Caller, LoginConfig, LoginWork};
use crate::error::CommandError;
use crate::server_process;
use crate::shop;
use crate::terminal;

/// A token that ends within this time is renewed before it is used, in seconds.
const RENEWED_BEFORE_S: u64 = 30;
/// The exit code of `whoami` where nobody has signed in, and of a login that was refused: as of a call that isn't allowed.
const EXIT_NOT_ALLOWED: u8 = 5;

/// Signs in or out, or tells who has.
pub(crate) fn run(config: &LoginConfig) -> Result<ExitCode, CommandError> {
    let runtime = server_process::runtime()?;
    let at = shop::front::find(config.at.as_ref(), &config.data)?;
    match &config.work {
        LoginWork::In { email } => {
            let email = email.clone().map_or_else(password::email, Ok)?;
            let password = password::password(&email)?;
            runtime.block_on(sign_in(&config.folder, &at, &email, &password))
        }
        LoginWork::Out { everywhere } => runtime.block_on(sign_out(&config.folder, &at, *everywhere)),
        LoginWork::Who { json } => runtime.block_on(who(&config.folder, &at, *json)),
    }
}

/// The access token with which a call is made; none where it goes straight to an instance.
pub(crate) async fn bearer(config: &CallConfig) -> Result<Option<String>, CommandError> {
    let is_wanted = match &config.caller {
        Caller::Direct => return Ok(None),
        Caller::Bearer(token) => return Ok(Some(token.clone())),
        Caller::Login => true,
        // Services that were started by hand have a data folder, too.
        Caller::DirectOrLogin => config.at.is_some() || !config.callee.data.exists(),
    };
    if !is_wanted {
        return Ok(None);
    }
    let Some(folder) = &config.logins else { return Ok(None) };
    let at = shop::front::find(config.at.as_ref(), &config.callee.data)?;
    match token(folder, &at).await? {
        None if config.caller == Caller::Login || config.at.is_some() => Err(nobody(&at)),
        token => Ok(token),
    }
}

async fn sign_in(
    folder: &Path,
    at: &HostPort,
    email: &str,
    password: &str,
) -> Result<ExitCode, CommandError> {
    let mut front = Front::new(at.clone());
    let body = json!({ "email": email, "password": password });
    let answer = front.ask("POST", "/api/v1/auth/login", None, Some(&body)).await?;
    let tokens = front::data(&answer)
        .map_err(|refused| CommandError::new(refused.to_string()).with_exit_code(EXIT_NOT_ALLOWED))?;
    let login = Login::of_tokens(email, &tokens, now_s()).ok_or_else(|| {
        CommandError::new(format!("{at} answers in another form: is it micronet's gateway?"))
    })?;
    let said = format!("signed in at {at} as {email}: {}", permissions(&tokens["permissions"]));
    Logins::change(folder, |logins| logins.set(at, login))?;
    terminal::say(&said);
    Ok(ExitCode::SUCCESS)
}

async fn sign_out(folder: &Path, at: &HostPort, everywhere: bool) -> Result<ExitCode, CommandError> {
    let Some(login) = Logins::change(folder, |logins| logins.remove(at))? else {
        terminal::say(&format!("nobody had signed in at {at}"));
        return Ok(ExitCode::SUCCESS);
    };
    let mut body = json!({ "refresh_token": login.refresh_token });
    if everywhere {
        body["everywhere"] = true.into();
    }
    let mut front = Front::new(at.clone());
    let answer = front.ask("POST", "/api/v1/auth/logout", None, Some(&body)).await;
    // The tokens are gone from here in any case.
    match answer.map(|answer| front::data(&answer)) {
        Ok(Ok(_)) => terminal::say(&format!("signed out at {at}")),
        Ok(Err(refused)) => terminal::say(&format!("signed out at {at}; its session was over: {refused}")),
        Err(error) => {
            return Err(CommandError::new(format!("the login at {at} is forgotten here, but {error}"))
                .next("its session ends by itself; or sign in again and out with --everywhere"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn who(folder: &Path, at: &HostPort, as_json: bool) -> Result<ExitCode, CommandError> {
    let token = token(folder, at).await?.ok_or_else(|| nobody(at))?;
    let answer = Front::new(at.clone()).ask("GET", "/api/v1/auth/me", Some(&token), None).await?;
    let me = front::data(&answer)
        .map_err(|refused| CommandError::new(refused.to_string()).with_exit_code(EXIT_NOT_ALLOWED))?;
    if as_json {
        terminal::say(&me.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let text = |value: &Value| value.as_str().unwrap_or("nobody").to_owned();
    let mut lines = vec![format!("{} at {at}", text(&me["account"]["email"]))];
    if let Some(organization) = me["organization"]["name"].as_str() {
        lines.push(format!("organization  {organization}"));
    }
    lines.push(format!("may           {}", permissions(&me["permissions"])));
    terminal::say(&lines.join("\n"));
    Ok(ExitCode::SUCCESS)
}

/// The access token of who has signed in there, renewed where it is about to end; none where nobody has.
pub(crate) async fn token(folder: &Path, at: &HostPort) -> Result<Option<String>, CommandError> {
    if !Logins::are_there(folder) {
        return Ok(None);
    }
    // A refresh token is good once: whoever renews holds the lock meanwhile, and others find what came of it.
    let mut logins = Logins::locked(folder)?;
    let Some(login) = logins.get(at) else { return Ok(None) };
    if now_s() + RENEWED_BEFORE_S < login.expires_s {
        return Ok(Some(login.access_token.clone()));
    }
    let body = json!({ "refresh_token": login.refresh_token });
    let answer = Front::new(at.clone()).ask("POST", "/api/v1/auth/refresh", None, Some(&body)).await?;
    let email = login.email.clone();
    match front::data(&answer) {
        Ok(tokens) => {
            let login = Login::of_tokens(&email, &tokens, now_s())
                .ok_or_else(|| CommandError::new(format!("{at} answers in another form")))?;
            let token = login.access_token.clone();
            logins.set(at, login);
            logins.write()?;
            Ok(Some(token))
        }
        Err(refused) if refused.status == 401 => {
            logins.remove(at);
            logins.write()?;
            Err(CommandError::new(format!("the session of {email} at {at} is over: {refused}"))
                .with_exit_code(EXIT_NOT_ALLOWED)
                .next("sign in again: micronet login"))
        }
        Err(refused) => Err(CommandError::new(format!("the token could not be renewed: {refused}"))),
    }
}

pub(crate) fn nobody(at: &HostPort) -> CommandError {
    CommandError::new(format!("nobody has signed in at {at}"))
        .with_exit_code(EXIT_NOT_ALLOWED)
        .next(format!("micronet login --at {at}"))
}

fn permissions(list: &Value) -> String {
    let names: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() { "what is public".into() } else { names.join(" ") }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
