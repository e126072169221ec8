//! One conversation, as far as it is decided without doing anything: what a line leads to, which commands are under way, and which
//! question waits for its answer. The time is an argument.

use std::collections::VecDeque;

use micronet_wire::error::{Code, RpcError};
use micronet_wire::principal::Principal;

use super::commands::{self, Order, Verb};
use super::help;
use super::limits::{CONFIRM_S, UNDERWAY_MAX};
use super::names::Names;

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Speaker {
    /// The id of this connection, as `user_16b92b53`.
    pub(super) user: String,
    /// As whom.
    pub(super) principal: Principal,
    /// From which address; empty where that isn't known.
    pub(super) address: String,
    /// `manager`, or `client`.
    pub(super) role: &'static str,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Step {
    /// To say this in answer.
    Answer(Words),
    /// To say what is wrong.
    Refuse(Refusal),
    /// To ask whether it is meant.
    Ask(Words),
    /// To begin a command.
    Begin(Execution),
    /// To say who is here.
    Who,
    /// To end what goes on by itself, and to say so.
    Interrupt(Vec<String>),
    /// To say that a question isn't asked any more, and why.
    Withdraw(Withdrawn),
    /// To say goodbye.
    Leave,
}

/// Something that is said, and the same for programs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) text: String,
    pub(super) data: Option<String>,
}

/// A command that is to be done.
#[derive(Debug, Clone)]
pub(super) struct Execution {
    /// By which it is known from now on.
    pub(super) id: String,
    pub(super) order: Order,
    /// It was asked about, and is meant.
    pub(super) confirmed: bool,
}

/// A command that isn't done.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) words: String,
    /// What was to be done, where it was a command, and the error that it came to.
    pub(super) of: Option<(Order, RpcError)>,
}

/// A question that got no yes.
#[derive(Debug, Clone)]
pub(super) struct Withdrawn {
    pub(super) order: Order,
    /// As the audit log names it.
    pub(super) outcome: &'static str,
    pub(super) words: String,
}

/// A question that waits.
#[derive(Debug)]
struct Question {
    code: String,
    order: Order,
    until_ns: u64,
}

/// A conversation.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) speaker: Speaker,
    begun: u64,
    /// Those under way, and whether they end by themselves.
    underway: VecDeque<(String, Verb)>,
    question: Option<Question>,
}

impl Session {
    pub(super) fn new(speaker: Speaker) -> Self {
        Self { speaker, begun: 0, underway: VecDeque::new(), question: None }
    }

    /// What a line leads to. `code` is by chance: how a question is known that is asked now.
    pub(super) fn hear(&mut self, line: &str, names: &Names, now: u64, code: &str) -> Option<Step> {
        let order = match commands::read(line, names) {
            Ok(order) => order?,
            Err(wrong) => return Some(Step::Refuse(Refusal { words: wrong.to_string(), of: None })),
        };
        let values = &order.values;
        Some(match order.command.verb {
            Verb::Help => Step::Answer(help::help(values.text("command"), &self.speaker.principal)),
            Verb::WhoAmI => Step::Answer(help::who_am_i(&self.speaker)),
            Verb::Who => Step::Who,
            Verb::Quit => Step::Leave,
            Verb::Stop if !values.has("process") => Step::Interrupt(self.lasting()),
            Verb::Yes => self.confirmed(values.text("code"), now),
            Verb::No => self.declined(values.text("code"), now),
            _ => self.ordered(order, names, now, code),
        })
    }

    fn ordered(&mut self, order: Order, names: &Names, now: u64, code: &str) -> Step {
        if let Err(error) = order.authorize(&self.speaker.principal) {
            return Step::Refuse(Refusal {
                words: help::refusal(&order, self.speaker.role),
                of: Some((order, error)),
            });
        }
        if let Some(why) = order.question(names) {
            let before = self.question.take();
            let line = &order.line;
            let mut text = format!("{line}: {why}. Do it? yes {code} or no, within {CONFIRM_S} s");
            if let Some(before) = before {
                text = format!("{} is left.\n{text}", before.order.line);
            }
            let data =
                serde_json::json!({ "code": code, "command": line, "why": why, "expires_s": CONFIRM_S });
            let until_ns = now + CONFIRM_S * 1_000_000_000;
            self.question = Some(Question { code: code.to_owned(), order, until_ns });
            return Step::Ask(Words { text, data: Some(data.to_string()) });
        }
        self.begin(order, false)
    }

    fn begin(&mut self, order: Order, confirmed: bool) -> Step {
        if self.underway.len() >= UNDERWAY_MAX {
            let words = format!(
                "{UNDERWAY_MAX} commands are under way here: wait until one is done, or `stop` what goes on"
            );
            let error = RpcError::new(Code::Overloaded, words.clone());
            return Step::Refuse(Refusal { words, of: Some((order, error)) });
        }
        self.begun += 1;
        let own = self.speaker.user.trim_start_matches("user_");
        let id = format!("{own}-{}", self.begun);
        self.underway.push_back((id.clone(), order.command.verb));
        Step::Begin(Execution { id, order, confirmed })
    }

    fn confirmed(&mut self, code: Option<&str>, now: u64) -> Step {
        match self.answered(code, now) {
            Ok(question) => match question.order.authorize(&self.speaker.principal) {
                Ok(()) => self.begin(question.order, true),
                Err(error) => {
                    let words = help::refusal(&question.order, self.speaker.role);
                    Step::Refuse(Refusal { words, of: Some((question.order, error)) })
                }
            },
            Err(step) => *step,
        }
    }

    fn declined(&mut self, code: Option<&str>, now: u64) -> Step {
        match self.answered(code, now) {
            Ok(Question { order, .. }) => {
                let words = format!("{}: left as it is", order.line);
                Step::Withdraw(Withdrawn { order, outcome: "DECLINED", words })
            }
            Err(step) => *step,
        }
    }

    /// The question that an answer is for.
    fn answered(&mut self, code: Option<&str>, now: u64) -> Result<Question, Box<Step>> {
        if let Some(step) = self.expire(now) {
            return Err(Box::new(step));
        }
        match self.question.take() {
            Some(question) if code.is_none_or(|code| code == question.code) => Ok(question),
            other => {
                self.question = other;
                let words = match (&self.question, code) {
                    (Some(question), _) => {
                        format!(
                            "you were asked about {}: answer with yes {}",
                            question.order.line, question.code
                        )
                    }
                    (None, Some(code)) => {
                        format!(
                            "you were not asked with the code {code}: only who gave a command can confirm it"
                        )
                    }
                    (None, None) => "you were not asked anything, or it is too long ago".to_owned(),
                };
                Err(Box::new(Step::Refuse(Refusal { words, of: None })))
            }
        }
    }

    /// Takes the question back that has waited for too long.
    pub(super) fn expire(&mut self, now: u64) -> Option<Step> {
        let question = self.question.take_if(|question| question.until_ns <= now)?;
        let words = format!(
            "{}: left as it is, since nobody said yes {} within {CONFIRM_S} s",
            question.order.line, question.code
        );
        Some(Step::Withdraw(Withdrawn { order: question.order, outcome: "EXPIRED", words }))
    }

    /// When that is.
    pub(super) fn due_ns(&self) -> Option<u64> {
        self.question.as_ref().map(|question| question.until_ns)
    }

    /// A command is over.
    pub(super) fn done(&mut self, id: &str) {
        self.underway.retain(|(other, _)| other != id);
    }

    /// How many are under way.
    pub(super) fn underway(&self) -> usize {
        self.underway.len()
    }

    /// What goes on until somebody has had enough.
    fn lasting(&self) -> Vec<String> {
        let lasting = self.underway.iter().filter(|(_, verb)| matches!(verb, Verb::Tap | Verb::Drill));
        lasting.map(|(id, _)| id.clone()).collect()
    }
}
