//! A guard against slowdowns that noise can't fake: instructions and allocations a request, counted by callgrind and held to the record
//! in `record.toml`. `tests/run guard` runs it, `tests/run guard --record` writes the record anew.

mod callgrind;
mod cases;
mod meter;
mod record;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::record::{Machine, Record};

/// The record, as the repository has it.
const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/record.toml");

/// Counts instructions and allocations a request, and compares them with the record.
#[derive(Parser)]
#[command(name = "micronet-guard")]
struct Arguments {
    /// Writes what was counted as the new record
    #[arg(long)]
    record: bool,
    /// The record
    #[arg(long, value_name = "FILE", default_value = RECORD)]
    file: PathBuf,
    /// How often to count; the record gets the median, and the table says how far the counts lay apart
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=99))]
    times: u32,
    /// Only cases whose names contain this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Does what is counted: for callgrind
    #[arg(long, hide = true)]
    work: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.work {
        cases::all(&mut meter::Meter::of(&arguments.only));
        return ExitCode::SUCCESS;
    }
    match guard(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing has become dearer.
fn guard(arguments: &Arguments) -> Result<bool, String> {
    let machine = Machine::here()?;
    let runs = (0..arguments.times).map(|_| callgrind::count(&arguments.only));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let counted = record::medians(&runs);
    if arguments.times > 1 {
        print!("{}", table::spread(&runs));
    }
    if arguments.record {
        let mut record = Record::read(&arguments.file).unwrap_or_default();
        record.take(machine, counted, arguments.only.is_empty());
        record.write(&arguments.file)?;
        println!("recorded in {}", arguments.file.display());
        return Ok(true);
    }
    let record = Record::read(&arguments.file)?;
    for difference in record.differences(&machine) {
        println!("{difference}");
    }
    let rows = record.compare(&counted, &arguments.only);
    print!("{}", table::compared(&rows));
    Ok(!rows.iter().any(|row| row.verdict().is_failure()))
}
