//! The steps of the user service.

use super::Who::{Anyone, Operator};
use super::{Step, done, refused};

const ADA: &str = r#"{"name":"Ada King","email":"king@example.com"}"#;

pub(super) fn users() -> Vec<Step> {
    let (get, list, create) = ("user.get", "user.list", "user.create");
    let (update, remove, all) = ("user.update", "user.remove", "GET /api/v1/users");
    let somebody = r#"{"id":123}"#;
    let nobody = r#"{"id":999}"#;
    vec![
        done(
            Anyone,
            get,
            somebody,
            "GET /users/123",
            200,
            &[("/name", "\"Barbara Liskov\""), ("/email", "null")],
        ),
        done(Operator, get, somebody, "GET /api/v1/users/123", 200, &[("/email", "\"barbara@example.org\"")]),
        refused(Anyone, get, nobody, "GET /users/999", 404, "USER_NOT_FOUND").holds(&[("/id", "999")]),
        refused(Anyone, get, r#"{"id":"x"}"#, "GET /users/x", 422, "INVALID_INPUT").faults(&["id"]),
        refused(Anyone, list, "", all, 401, "UNAUTHENTICATED"),
        done(
            Operator,
            list,
            "",
            all,
            200,
            &[("/items/3/id", "123"), ("/pagination/total", "4"), ("/pagination/has_next", "false")],
        ),
        done(
            Operator,
            list,
            r#"{"page":2,"per_page":3}"#,
            "GET /users?page=2&per_page=3",
            200,
            &[("/items/0/id", "123"), ("/pagination/total_pages", "2"), ("/pagination/has_prev", "true")],
        ),
        done(
            Operator,
            list,
            r#"{"search":"EXAMPLE.ORG","sort":"-name"}"#,
            "GET /users?search=EXAMPLE.ORG&sort=-name",
            200,
            &[("/items/0/name", "\"Edsger Dijkstra\""), ("/items/1/id", "123"), ("/pagination/total", "2")],
        ),
        refused(Operator, list, r#"{"sort":"age"}"#, "GET /users?sort=age", 422, "INVALID_INPUT")
            .faults(&["sort"]),
        refused(
            Operator,
            list,
            r#"{"page":0,"per_page":1000}"#,
            "GET /users?page=0&per_page=1000",
            422,
            "INVALID_INPUT",
        )
        .faults(&["page", "per_page"]),
        refused(Anyone, create, ADA, "POST /users", 401, "UNAUTHENTICATED").all_in_body(),
        done(Operator, create, ADA, "POST /api/v1/users", 201, &[("/id", "124"), ("/orders", "0")])
            .all_in_body()
            .token("ada"),
        done(Operator, create, ADA, "POST /users", 201, &[("/id", "124")]).all_in_body().token("ada"),
        refused(
            Operator,
            create,
            r#"{"name":"Eve","email":"eve@example.com"}"#,
            "POST /users",
            422,
            "TOKEN_REUSED",
        )
        .all_in_body()
        .token("ada"),
        refused(
            Operator,
            create,
            r#"{"name":"Another","email":"KING@example.com"}"#,
            "POST /users",
            409,
            "USER_ALREADY_EXISTS",
        )
        .all_in_body()
        .holds(&[("/email", "\"KING@example.com\"")]),
        refused(Operator, create, "{}", "POST /users", 422, "MISSING_REQUIRED_FIELD")
            .all_in_body()
            .faults(&["name", "email"]),
        refused(
            Operator,
            create,
            r#"{"name":"","email":"nobody","age":7}"#,
            "POST /users",
            422,
            "INVALID_INPUT",
        )
        .all_in_body()
        .faults(&["name", "email", "age"]),
        refused(Anyone, update, r#"{"id":124,"name":"Eve"}"#, "PUT /users/124", 401, "UNAUTHENTICATED")
            .body(r#"{"name":"Eve"}"#),
        done(
            Operator,
            update,
            r#"{"id":124,"name":"Ada, Countess of Lovelace"}"#,
            "PUT /users/124",
            200,
            &[("/name", "\"Ada, Countess of Lovelace\""), ("/email", "\"king@example.com\"")],
        )
        .body(r#"{"name":"Ada, Countess of Lovelace"}"#),
        refused(
            Operator,
            update,
            r#"{"id":124,"email":"grace@example.com"}"#,
            "PUT /api/v1/users/124",
            409,
            "USER_ALREADY_EXISTS",
        )
        .body(r#"{"email":"grace@example.com"}"#),
        refused(Operator, update, r#"{"id":999,"name":"Eve"}"#, "PUT /users/999", 404, "USER_NOT_FOUND")
            .body(r#"{"name":"Eve"}"#),
        refused(Anyone, remove, r#"{"id":124}"#, "DELETE /users/124", 401, "UNAUTHENTICATED"),
        done(Operator, remove, r#"{"id":124}"#, "DELETE /users/124", 200, &[("/id", "124")]).token("goodbye"),
        done(Operator, remove, r#"{"id":124}"#, "DELETE /api/v1/users/124", 200, &[("/id", "124")])
            .token("goodbye"),
        refused(Operator, remove, r#"{"id":124}"#, "DELETE /users/124", 404, "USER_NOT_FOUND"),
    ]
}
