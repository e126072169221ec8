//! Lines of text: every command, what is refused, and who is patient with whom.

use micronet_wire::limits::{
    TEXT_IDLE_MS_MAX, TEXT_LINE_BYTES_MAX, TEXT_LINE_MS_MAX, TEXT_MISTAKES_MAX, TEXT_STALL_MS_MAX,
};

use super::*;

/// The answers to these lines, each as its lines.
async fn say(lines: &str) -> Vec<Vec<String>> {
    let answer = exchange(lines).await;
    assert!(answer.ends_with("\n\n"), "{answer:?}");
    let answers = answer.trim_end().split("\n\n");
    answers.map(|answer| answer.lines().map(str::to_owned).collect()).collect()
}

/// A line, and what has to be in its answer.
async fn check_line(line: &str, expected: &[&str]) {
    let answers = say(&format!("{line}\n")).await;
    let answer = answers.last().unwrap().join("\n");
    for part in expected {
        assert!(answer.contains(part), "{line}\nshould be answered with {part}\nbut was with\n{answer}");
    }
}

#[test]
fn each_command_has_its_answer() {
    run(async {
        let cases: &[(&str, &[&str])] = &[
            ("HELP", &["+OK ", "CALL method [json]", "QUIT"]),
            ("help stream", &["+OK STREAM method [json]: ", "STREAM product.watch"]),
            (
                "METHODS",
                &["methods\n{\"method\":\"cups.get\",", "\"method\":\"micronet.instance\"", "network.usage"],
            ),
            ("SCHEMA", &["+OK cups ", "\"fingerprint\":\"", "{\"struct\":\"Served\""]),
            ("SCHEMA cups.get", &["+OK cups.get\n", "\"http_status\":404"]),
            ("SCHEMA micronet.instance", &["{\"struct\":\"Instance\""]),
            ("SCHEMA cups.gett", &["-ERR UNKNOWN_METHOD ", "cups.get perhaps?"]),
            (
                "CALL cups.get {\"name\":\"a\"}",
                &["+OK cups.get ", " ms\n{\"name\":\"a\",\"by\":\"anonymous\",\"token\":\""],
            ),
            ("call get {\"name\":\"a\"}", &["+OK cups.get "]),
            (
                "CALL cups.get {\"name\":\"none\"}",
                &[
                    "-ERR NO_SUCH_CUP no such cup\n{\"error\":{\"code\":\"NO_SUCH_CUP\"",
                    "{\"name\":\"none\"}",
                ],
            ),
            ("CALL cups.get {\"name\":\"broken\"}", &["-ERR INTERNAL "]),
            ("CALL cups.get {\"name\":7}", &["-ERR INVALID_INPUT ", "\"field\":\"name\""]),
            ("CALL cups.get", &["-ERR MISSING_REQUIRED_FIELD "]),
            ("CALL cups.get {\"name\"}", &["-ERR BAD_REQUEST "]),
            ("CALL cups.list", &["-ERR UNAUTHENTICATED no credential was given: cups:read is needed"]),
            ("CALL cups.list {\"nonsense\"", &["-ERR UNAUTHENTICATED "]),
            ("AUTH sesame\nCALL cups.list", &["+OK cups.list ", "\"a list\\n\""]),
            ("AUTH sesame\nAUTH\nCALL cups.list", &["-ERR UNAUTHENTICATED "]),
            ("AUTH sesame\nAUTH wrong\nCALL cups.list", &["+OK "]),
            ("AUTH wrong", &["-ERR INVALID_CREDENTIALS "]),
            ("CALL network.usage", &["-ERR UNAUTHENTICATED "]),
            ("AUTH sesame\nCALL network.usage", &["+OK network.usage "]),
            ("CALL micronet.instance", &["\"instance\":\"cups-1\""]),
            ("TOKEN t-7\nCALL cups.fill {\"name\":\"a\"}", &["\"token\":\"t-7\""]),
            ("STREAM cups.get", &["-ERR BAD_REQUEST cups.get answers with one: CALL it"]),
            ("PING", &["+OK PONG\n{\"time\":\"20"]),
            ("HEALTH", &["+OK healthy\n{\"status\":\"healthy\""]),
            (
                "CALL cups.get {\"name\":\"a\"}\nSTATS",
                &["+OK cups-1\n", "\"method\":\"get\",\"service\":\"cups\",\"count\":1,\"failed\":0,"],
            ),
            (
                "WHO",
                &[
                    "+OK you are anonymous\n{\"you_are\":\"anonymous\",\"you\":{\"id\":1,\"language\":\"text\"",
                    "\"others\":\"shown",
                ],
            ),
            ("AUTH sesame\nWHO", &["+OK you are operator\n", "\"connections\":[{\"id\":1,"]),
            ("LEDGER", &["-ERR NOT_FOUND "]),
            (
                "CALL cups.get {\"name\":\"a\"}\nLEDGER",
                &["+OK cups.get\n{\"method\":\"cups.get\",\"receive_queue_us\":"],
            ),
            ("DEADLINE 500ms", &["+OK calls may take 500 ms"]),
            ("DEADLINE", &["+OK calls may take 15000 ms"]),
            (
                "TRACE on\nCALL cups.get {\"name\":\"a\"}",
                &[
                    "# request id ",
                    "trace id ",
                    "# ledger, in us: receive queue ",
                    "# > REQUEST cups.get",
                    "\"a\"",
                    "# < REPLY cups.get",
                ],
            ),
            ("TRACE on\nTRACE", &["+OK on"]),
            ("hello", &["-ERR UNKNOWN_COMMAND there is no command hello; HELP "]),
            ("QUIT\nPING", &["+OK goodbye"]),
        ];
        for (line, expected) in cases {
            check_line(line, expected).await;
        }
    });
}

#[test]
fn lines_that_come_together_are_answered_in_order() {
    run(async {
        let lines: String = (0..200).map(|n| format!("CALL cups.get {{\"name\":\"n{n}\"}}\n")).collect();
        let answers = say(&lines).await;
        let is_its = |(at, answer): (usize, &Vec<String>)| answer[1].contains(&format!("\"name\":\"n{at}\""));
        assert!(answers.len() == 200 && answers.iter().enumerate().all(is_its), "{answers:?}");
    });
}

#[test]
fn lines_end_as_their_answers_do() {
    run(async {
        let answer = exchange("\r\nPING\r\nping").await;
        let (first, second) = answer.split_once("\r\n\r\n").unwrap();
        assert!(first.starts_with("+OK PONG\r\n{") && first.matches('\n').count() == 1, "{answer:?}");
        assert!(second.starts_with("+OK PONG\n{") && second.ends_with("}\n\n"), "{answer:?}");
    });
}

#[test]
fn a_token_serves_one_call() {
    run(async {
        let fill = "CALL cups.fill {\"name\":\"a\"}\n";
        let answers =
            say(&format!("TOKEN t-7\nCALL cups.fill {{\"name\"}}\n{fill}{fill}TOKEN t-8\nTOKEN\n{fill}"))
                .await;
        let tokens: Vec<bool> =
            [2, 3, 6].iter().map(|at: &usize| answers[*at][1].contains("\"token\":\"t-")).collect();
        assert_eq!(tokens, [true, false, false], "{answers:?}");
    });
}

#[test]
fn what_goes_too_far_ends_the_connection() {
    run(async {
        let long = format!("PING\nCALL {}\nPING\n", "x".repeat(TEXT_LINE_BYTES_MAX));
        let garbage = "PING\nCALL ".to_owned() + &"x".repeat(1 << 20);
        for sent in [long, garbage] {
            let answer = exchange(sent).await;
            assert!(
                answer.starts_with("+OK PONG")
                    && answer.ends_with("\n\n-ERR LINE_TOO_LONG a line has at most 64 KiB\n\n"),
                "{answer}"
            );
        }
        let answers = say(&format!("PING\n{}PING\n", "\u{1}\u{2}\n".repeat(2 * TEXT_MISTAKES_MAX))).await;
        assert_eq!(answers.len(), 1 + TEXT_MISTAKES_MAX + 1);
        assert!(answers.last().unwrap()[0].starts_with("-ERR TOO_MANY_MISTAKES "), "{answers:?}");
    });
}

#[test]
fn slow_typists_are_given_up_in_time() {
    run_paused(async {
        check_patience(b"PING\n", TEXT_IDLE_MS_MAX, "-ERR IDLE ").await;
        check_patience(b"PING\nPIN", TEXT_LINE_MS_MAX, "-ERR REQUEST_TIMEOUT ").await;
        check_patience(b"CALL cups.get {\"name\":\"endless\"}", TEXT_LINE_MS_MAX, "-ERR REQUEST_TIMEOUT ")
            .await;
        let asked = Instant::now();
        check_line("DEADLINE 2s\nCALL cups.get {\"name\":\"endless\"}", &["-ERR DEADLINE_EXCEEDED "]).await;
        assert_eq!(asked.elapsed(), Duration::from_secs(2));
        // One that never stops typing has no more time for its line than others.
        let (mut stream, _trigger, serving) = connect();
        stream.write_all(b"PING\n").await.unwrap();
        let before = Instant::now();
        while !serving.is_finished() && stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let ms = before.elapsed().as_millis();
        assert!(
            (u128::from(TEXT_LINE_MS_MAX)..u128::from(TEXT_LINE_MS_MAX) + 3_000).contains(&ms),
            "{ms} ms"
        );
    });
}

#[test]
fn who_does_not_read_is_given_up() {
    run_paused(async {
        let (mut stream, theirs) = duplex(1 << 10);
        let (_trigger, drain) = channel();
        let serving = tokio::task::spawn_local(serve_connection(theirs, cupboard(), identity("cups"), drain));
        let before = Instant::now();
        // What it sends isn't read on for ever either.
        let sending = async { while stream.write_all(b"METHODS\n").await.is_ok() {} };
        let _ = tokio::time::timeout(Duration::from_millis(2 * TEXT_STALL_MS_MAX), sending).await;
        serving.await.unwrap();
        assert!(before.elapsed() >= Duration::from_millis(TEXT_STALL_MS_MAX));
    });
}

#[test]
fn a_client_that_is_gone_takes_its_call_with_it() {
    run_paused(async {
        let (mut stream, _trigger, serving) = connect();
        stream.write_all(b"CALL cups.get {\"name\":\"endless\"}\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!serving.is_finished());
        drop(stream);
        // A pipe in memory ends as a client that has said everything: its answer is written in vain.
        let before = Instant::now();
        serving.await.unwrap();
        assert!(before.elapsed() <= Duration::from_micros(u64::from(DEADLINE_US_DEFAULT)));
    });
}

#[test]
fn draining_is_said_and_ends_what_is_idle() {
    run(async {
        let (mut stream, trigger, serving) = connect();
        stream.write_all(b"PING\n").await.unwrap();
        let mut begun = [0; 8];
        stream.read_exact(&mut begun).await.unwrap();
        stream.write_all(b"PING\n").await.unwrap();
        trigger.drain();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert!(rest.matches("+OK PONG").count() == 1, "{rest}");
        assert!(
            rest.ends_with("\n\n-ERR DRAINING this instance stops: connect to another one\n\n"),
            "{rest}"
        );
        drop(stream);
        serving.await.unwrap();
    });
}
