//! Commands at work: each is a call or a few on behalf of who has given it, and ends with words.

use std::time::Duration;

use micronet_wire::encoding;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::network::{RecordFilter, RecordKind, TapFilter, TappedItem};
use micronet_wire::service::CallError;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::commands::Verb;
use super::limits::{TAP_MS, TAP_MS_MAX};
use super::names::DRILLS;
use super::reach::{Behalf, Failed, Reach, Replied};
use super::session::{Execution, Words};
use super::shown;
use crate::control::api::drills::{Drill, DrillId, DrillState};
use crate::control::api::tap::Tap;
use crate::control::api::why::Why;
use crate::control::api::{ControlClient, ControlError, ProcessState, Processes};
use crate::operate::why;
use crate::registry::CONTROL;
use crate::tap;
use crate::terminal::Style;

/// For how long something fails where nobody says it, in milliseconds: as long as it may.
const FAIL_MS: u64 = 3_600_000;

/// What is heard of a command.
#[derive(Debug)]
pub(super) enum Progress {
    /// A line of one that goes on.
    Line { execution: String, words: String },
    /// Its end.
    Done { execution: String, came: Result<Words, Failed> },
}

/// Everything that a command needs.
pub(super) struct Doing<'d> {
    pub(super) reach: &'d Reach,
    pub(super) behalf: &'d Behalf,
    /// Where its lines go.
    pub(super) told: &'d mpsc::Sender<Progress>,
    /// Completes when it is to end.
    pub(super) stop: oneshot::Receiver<()>,
}

impl Doing<'_> {
    /// Does a command that calls something.
    pub(super) async fn run(self, execution: &Execution) -> Result<Words, Failed> {
        let order = &execution.order;
        let values = &order.values;
        let process = values.text("process").or(values.text("instance")).unwrap_or_default();
        let service = values.text("service");
        let for_ms = values.number("for");
        match order.command.verb {
            Verb::Status => self.status(values.text("process")).await,
            Verb::Instances => self.instances(service, None).await,
            Verb::Top => self.shown(("gateway", "stats"), &Value::Null, shown::top).await,
            Verb::Fail => {
                let request = json!({
                    "name": process, "for_ms": for_ms.unwrap_or(FAIL_MS), "force": execution.confirmed,
                });
                self.shown((CONTROL, "fail"), &request, |fault| shown::fault(fault, process)).await
            }
            Verb::Recover => self.recover(process).await,
            Verb::Start => self.processes("start", &json!({ "name": process })).await,
            Verb::Stop => self.processes("stop", &json!({ "name": process })).await,
            Verb::Restart => self.processes("restart", &json!({ "name": process })).await,
            Verb::Drain => self.processes("drain", &json!({ "name": process })).await,
            Verb::Undrain => self.processes("undrain", &json!({ "name": process })).await,
            Verb::Scale => {
                let request = json!({ "service": service, "count": values.number("count") });
                self.processes("scale", &request).await
            }
            Verb::Latency => {
                let delay_us = values.number("time").unwrap_or(0) * 1_000;
                let request = json!({ "name": process, "for_ms": for_ms, "delay_us": delay_us });
                self.shown((CONTROL, "disturb"), &request, |fault| shown::fault(fault, process)).await
            }
            Verb::Errors => {
                let request =
                    json!({ "name": process, "for_ms": for_ms, "errors_permille": values.number("part") });
                self.shown((CONTROL, "disturb"), &request, |fault| shown::fault(fault, process)).await
            }
            Verb::Algorithm => self.algorithm(service, values.text("name")).await,
            Verb::Weight => match values.number("weight") {
                None => self.instances(None, Some(process)).await,
                Some(weight) => {
                    let request = json!({ "name": process, "weight": weight });
                    self.shown((CONTROL, "weigh"), &request, |_| format!("{process} has the weight {weight}"))
                        .await
                }
            },
            Verb::Tap => {
                let (name, id) = (values.text("process"), &execution.id);
                let lasts_ms = for_ms.unwrap_or(TAP_MS).min(TAP_MS_MAX);
                self.tap(name, lasts_ms, id).await
            }
            Verb::Drill => match values.text("kind") {
                None => self.shown((CONTROL, "drills"), &Value::Null, shown::drills).await,
                Some(kind) => {
                    let name = values.text("name").unwrap_or_default();
                    let request = json!({
                        "kind": DRILLS.iter().find(|(typed, _)| *typed == kind).map(|(_, kind)| kind),
                        "service": name,
                        "duration_s": for_ms.map(|for_ms| for_ms.div_ceil(1_000)),
                        "load_per_s": values.number("load"),
                    });
                    self.drill(&request, &execution.id).await
                }
            },
            Verb::Why => self.why(values.text("id").unwrap_or_default()).await,
            Verb::Call => {
                self.any(values.text("method").unwrap_or_default(), values.text("json").unwrap_or_default())
                    .await
            }
            Verb::Alerts => self.shown((CONTROL, "alerts"), &Value::Null, shown::alerts).await,
            Verb::Audit => {
                let request = json!({ "per_page": values.number("count").unwrap_or(10) });
                self.shown(("auth", "audit"), &request, shown::audit).await
            }
            Verb::Help | Verb::WhoAmI | Verb::Who | Verb::Yes | Verb::No | Verb::Quit => {
                Err(RpcError::new(Code::Internal, "this calls nothing").into())
            }
        }
    }

    async fn call(&self, method: (&str, &str), request: &Value) -> Result<Replied, Failed> {
        self.reach.call(method, &request.to_string(), self.behalf).await
    }

    async fn shown(
        &self,
        method: (&str, &str),
        request: &Value,
        show: impl FnOnce(&Value) -> String,
    ) -> Result<Words, Failed> {
        let replied = self.call(method, request).await?;
        let reply = serde_json::from_str(&replied.json).unwrap_or_default();
        Ok(Words { text: show(&reply), data: Some(replied.json) })
    }

    async fn processes(&self, method: &str, request: &Value) -> Result<Words, Failed> {
        let replied = self.call((CONTROL, method), request).await?;
        Ok(Words { text: shown::status(&decoded(&replied)?), data: Some(replied.json) })
    }

    async fn status(&self, name: Option<&str>) -> Result<Words, Failed> {
        self.processes("processes", &json!({ "name": name })).await
    }

    async fn instances(&self, service: Option<&str>, only: Option<&str>) -> Result<Words, Failed> {
        let request = json!({ "service": service });
        self.shown(("gateway", "instances"), &request, |seen| shown::instances(seen, only)).await
    }

    /// Ends faults, and starts what doesn't run.
    async fn recover(&self, name: &str) -> Result<Words, Failed> {
        let replied = self.call((CONTROL, "recover"), &json!({ "name": name })).await?;
        let ended: Value = serde_json::from_str(&replied.json).unwrap_or_default();
        let mut text = shown::recovered(&ended, name);
        let which = self.call((CONTROL, "processes"), &json!({ "name": name })).await?;
        let lies = |process: &&crate::control::api::Process| process.state != ProcessState::Running;
        let lying: Vec<String> = decoded::<Processes>(&which)?
            .processes
            .iter()
            .filter(lies)
            .map(|process| process.instance.clone())
            .collect();
        for instance in &lying {
            self.call((CONTROL, "start"), &json!({ "name": instance })).await?;
            text += &format!("\n{instance} didn't run, and was started");
        }
        let now = self.status(Some(name)).await?;
        Ok(Words { text: format!("{text}\n{}", now.text), data: Some(replied.json) })
    }

    async fn algorithm(&self, service: Option<&str>, name: Option<&str>) -> Result<Words, Failed> {
        if let Some(name) = name {
            let all = self.reach.names().scalable;
            let services: Vec<&str> =
                service.map_or_else(|| all.iter().map(String::as_str).collect(), |one| vec![one]);
            for each in services {
                let request = json!({ "service": each, "algorithm": name });
                match self.call(("gateway", "set_balancer"), &request).await {
                    // Of all services, those that the gateway doesn't call are none of it.
                    Err(failed) if service.is_none() && failed.code == "NO_SUCH_SERVICE" => {}
                    other => drop(other?),
                }
            }
        }
        self.shown(("gateway", "balancers"), &Value::Null, |all| shown::balancers(all, service)).await
    }

    async fn why(&self, id: &str) -> Result<Words, Failed> {
        let replied = self.call((CONTROL, "why"), &json!({ "request_id": id })).await?;
        let known: Why = decoded(&replied)?;
        if known.hops.is_empty() {
            let words = format!("nobody remembers the request {id}: each answer has its id in X-Request-ID");
            return Err(Failed { code: "NOT_FOUND".into(), status: 404, words });
        }
        Ok(Words { text: why::text(&known, Style::PLAIN), data: Some(replied.json) })
    }

    /// Calls whatever method somebody names.
    async fn any(&self, name: &str, json: &str) -> Result<Words, Failed> {
        let Some((service, method)) = name.split_once('.') else {
            let words = format!("{name:?} is no method: write SERVICE.METHOD, as product.query");
            return Err(RpcError::new(Code::BadRequest, words).into());
        };
        let replied = self.reach.call((service, method), json, self.behalf).await?;
        Ok(Words {
            text: format!("{} answers: {}", replied.instance, replied.json),
            data: Some(replied.json),
        })
    }

    /// Begins a drill, and tells how it goes on to its end; it is given up where somebody has had enough, or leaves.
    async fn drill(mut self, request: &Value, execution: &str) -> Result<Words, Failed> {
        let begun: Drill = decoded(&self.call((CONTROL, "drill"), request).await?)?;
        let (which, (_, client)) = (DrillId { id: begun.id }, self.reach.client(CONTROL).await?);
        let watched = ControlClient::new(client).watch_drill(&which, self.behalf.options()).await;
        let mut news = watched.map_err(|error| of_stream(&error))?;
        let (mut told, mut last) = (Vec::new(), begun);
        loop {
            let now = tokio::select! {
                _ = &mut self.stop => break,
                now = news.next() => now.map_err(|error| of_stream(&error))?,
            };
            let Some(now) = now else { break };
            for moment in now.untold(&mut told) {
                let (seconds, tenth) = (moment.at_ms / 1_000, moment.at_ms % 1_000 / 100);
                let words = format!("{seconds}.{tenth} s: {}", moment.words);
                // Who reads slowly reads the end.
                let _ = self.told.try_send(Progress::Line { execution: execution.to_owned(), words });
            }
            last = now;
        }
        let method = if last.state == DrillState::Done { "drill_of" } else { "abort" };
        let replied = self.call((CONTROL, method), &json!({ "id": last.id })).await?;
        let reply = serde_json::from_str(&replied.json).unwrap_or_default();
        Ok(Words { text: shown::drill(&reply), data: Some(replied.json) })
    }

    /// Tells what passes until its time is over, or somebody has had enough.
    async fn tap(mut self, name: Option<&str>, lasts_ms: u64, execution: &str) -> Result<Words, Failed> {
        let (_, client) = self.reach.client(CONTROL).await?;
        let filter = TapFilter { calls: Some(RecordFilter::default()), ..TapFilter::default() };
        let which = Tap { name: name.map(str::to_owned), filter };
        let opened = ControlClient::new(client).tap(&which, self.behalf.options()).await;
        let mut news = opened.map_err(|error| of_stream(&error))?;
        let over = sleep_until(Instant::now() + Duration::from_millis(lasts_ms));
        let mut over = std::pin::pin!(over);
        let (mut widths, mut told, mut lost) = (tap::WIDTHS, 0_u64, 0);
        loop {
            let tapped = tokio::select! {
                () = &mut over => break,
                _ = &mut self.stop => break,
                tapped = news.next() => tapped.map_err(|error| of_stream(&error))?,
            };
            let Some(tapped) = tapped else { break };
            lost += tapped.lost_calls;
            for item in &tapped.items {
                let TappedItem::Call { record, .. } = item else { continue };
                // Whoever was called tells of it too.
                if record.kind == RecordKind::Made {
                    continue;
                }
                let words = tap::line(Style::PLAIN, &mut widths, &tapped.seen_by, record, "", "");
                match self.told.try_send(Progress::Line { execution: execution.to_owned(), words }) {
                    Ok(()) => told += 1,
                    Err(_) => lost += 1,
                }
            }
        }
        let text = format!("the tap is over: {told} lines, {lost} lost");
        Ok(Words { text, data: Some(json!({ "told": told, "lost": lost }).to_string()) })
    }
}

fn decoded<T: micronet_wire::schema::Message>(replied: &Replied) -> Result<T, Failed> {
    encoding::decode(&replied.body)
        .map_err(|_| RpcError::new(Code::Protocol, "the reply is not of its type").into())
}

fn of_stream(error: &CallError<ControlError>) -> Failed {
    match error {
        CallError::Rpc(error) => error.clone().into(),
        CallError::Service(error) => {
            Failed { code: "NOT_FOUND".into(), status: 404, words: error.to_string() }
        }
    }
}
