//! Which toys there are to ask for.

use serde_json::Value;

use super::request;
use crate::load::engine::{Channel, ExchangeError};
use crate::load::http::{HttpAnswer, HttpChannel};

/// What a shop sells that has no list of it.
const TOYS: [&str; 4] = ["Tux", "Whale", "Elephant", "Bird"];

/// The names of what the shop sells: as its list says, or the four toys where it has no such list.
pub(crate) async fn names(channel: &mut HttpChannel) -> Result<Vec<String>, ExchangeError> {
    let answer = channel.exchange(&request::list()).await?;
    let listed = listed(&answer).filter(|names| !names.is_empty());
    Ok(listed.unwrap_or_else(|| TOYS.map(str::to_owned).to_vec()))
}

/// The names in an answer: those of the items of a page, wherever the envelope has them.
fn listed(answer: &HttpAnswer) -> Option<Vec<String>> {
    let envelope: Value = serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200)?;
    let data = &envelope["data"];
    let items = data.as_array().or_else(|| data["items"].as_array())?;
    items.iter().map(|item| item["name"].as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_where_there_is_one() {
        let check = |status: u16, body: &str, wanted: Option<&[&str]>| {
            let answer = HttpAnswer { status, instance: None, body: body.to_owned().into() };
            let wanted: Option<Vec<String>> =
                wanted.map(|names| names.iter().map(|&name| name.to_owned()).collect());
            assert_eq!(listed(&answer), wanted, "{status} {body}");
        };
        check(200, r#"{"success":true,"data":[{"name":"Tux"},{"name":"Laptop"}]}"#, Some(&["Tux", "Laptop"]));
        check(200, r#"{"success":true,"data":{"items":[{"name":"Tux"}]}}"#, Some(&["Tux"]));
        check(200, r#"{"success":true,"data":[{"id":1}]}"#, None);
        check(404, r#"{"success":false,"error":{"code":"ROUTE_NOT_FOUND"}}"#, None);
        check(200, "<html>", None);
    }
}
