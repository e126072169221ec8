//! The acceptance walk of README, walked as it stands there: each command is run, and has to say what stands below it.
//!
//! What begins with `micronet up` is started as in a terminal of its own, after the network before it was stopped as Ctrl-C does; its ports are
//! moved (`--base-port`), and in all other commands too. Everything else runs in one bash, in an empty folder. In what is expected, `…` is
//! anything within a line, and a line of it any number of lines.

mod expected;
mod section;
mod shell;
mod stage;

use expected::fits;
use section::{Step, steps};
use stage::Stage;

#[test]
fn readme_is_walked() {
    let steps = steps();
    // A section that was moved or rewritten in another form would hold nothing.
    assert!(steps.len() > 50, "README has {} commands to walk", steps.len());
    let mut stage = Stage::new();
    for Step { line, command, expected } in steps {
        let said = stage.run(&command);
        assert!(
            fits(&expected, &said),
            "README line {line}: {command}\nexpected\n{expected}\nbut it said\n{said}"
        );
    }
}
