//! A finding as `towpath explain` prints it.

use super::{Style, Tone, paste, wrap};
use crate::{Finding, Proof};

/// Everything that the catalogue has about a finding, at most 80 columns but for settings to paste.
#[must_use]
pub fn finding_text(finding: &Finding, style: Style) -> String {
    let line = format!(
        "{}: {}. {} [{}]",
        finding.rung.name(),
        finding.cause,
        finding.fix,
        finding.id
    );
    let mut out = style.tone(Tone::Bold, &line);
    out.push_str("\n\n");
    wrap(&mut out, "", finding.about);
    part(&mut out, style, "What decides it");
    wrap(&mut out, "  ", finding.decided_by);
    part(&mut out, style, "Who has to act");
    wrap(&mut out, "  ", finding.side.name());
    part(&mut out, style, "What to do");
    for remedy in finding.remedies {
        wrap(
            &mut out,
            &format!("  {:<13} ", remedy.on.name()),
            remedy.what,
        );
        paste(&mut out, 16, remedy.set);
    }
    if !finding.administrator.is_empty() {
        part(&mut out, style, "To send to the network's administrator");
        wrap(&mut out, "  ", finding.administrator);
    }
    list(&mut out, style, "Seen as", finding.symptoms);
    let lab: Vec<_> = finding.proofs.iter().filter_map(switch).collect();
    let lab: Vec<_> = lab.iter().map(String::as_str).collect();
    list(&mut out, style, "To see it happen", &lab);
    list(&mut out, style, "Met by others", finding.sources);
    out
}

/// The command that produces the finding.
fn switch(proof: &Proof) -> Option<String> {
    match proof {
        Proof::Lab(fault) => Some(format!("towpath lab --fault {fault}")),
        _ => None,
    }
}

fn part(out: &mut String, style: Style, heading: &str) {
    out.push('\n');
    out.push_str(&style.tone(Tone::Bold, heading));
    out.push('\n');
}

fn list(out: &mut String, style: Style, heading: &str, lines: &[&str]) {
    if lines.is_empty() {
        return;
    }
    part(out, style, heading);
    for line in lines {
        wrap(out, "  - ", line);
    }
}
