//! Bars of letters: the share with its stages, proof, suspicion.

/// Rust's share, linear, with a mark at each stage that is not reached, and the
/// stages' numbers below.
pub(super) struct ShareBar {
    pub(super) cells: String,
    pub(super) scale: String,
}

/// `percent` and `stages` in percent.
pub(super) fn share(percent: f64, stages: &[f64], width: usize) -> ShareBar {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "percent are 0 to 100, a terminal has hundreds of columns"
    )]
    let column = |percent: f64| (percent.clamp(0.0, 100.0) / 100.0 * width as f64) as usize;
    // With the cell of its own mark: a share that is not zero is never drawn as none.
    let filled = if percent > 0.0 { (column(percent) + 1).min(width) } else { 0 };
    let marks: Vec<usize> =
        stages.iter().filter(|stage| **stage < 100.0).map(|stage| column(*stage)).collect();
    let cells = (0..width)
        .map(|at| match at {
            at if at < filled => '█',
            at if marks.contains(&at) => '┊',
            _ => '░',
        })
        .collect();
    let mut scale = String::new();
    for stage in stages {
        let number = stage.to_string();
        let at = column(*stage).min(width.saturating_sub(1));
        // Where two would touch, the later one is left out.
        if at > scale.len() || scale.is_empty() {
            scale.push_str(&" ".repeat(at.saturating_sub(scale.len())));
            scale.push_str(&number);
        }
    }
    ShareBar { cells, scale }
}

/// `██████░░░░`: full lets the step be taken. Only a full one looks full.
pub(super) fn proof(part: f64, proven: bool, width: usize) -> String {
    let most = if proven { width } else { width - 1 };
    let filled = if proven { width } else { cells(part, width).min(most) };
    "█".repeat(filled) + &"░".repeat(width - filled)
}

/// `■■■··┃·····`: from the middle on no step is taken, a full one rolls back.
pub(super) fn suspicion(part: f64) -> String {
    const HALF: usize = 5;
    let filled = if part >= 1.0 { 2 * HALF } else { cells(part, 2 * HALF).min(2 * HALF - 1) };
    let cell = |at: usize| if at < filled { '■' } else { '·' };
    let first = (0..HALF).map(cell);
    first.chain(['┃']).chain((HALF..2 * HALF).map(cell)).collect()
}

/// Cells of a part of 0 to 1, rounded down so that a mark is never shown as reached
/// before it is; something is never nothing.
fn cells(part: f64, width: usize) -> usize {
    if part <= 0.0 || !part.is_finite() {
        return 0;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a bar has ten cells or so"
    )]
    let filled = (part * width as f64 + 1e-9) as usize;
    filled.clamp(1, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_drawn_to_scale_with_every_stage_that_is_ahead() {
        let bar = share(10.0, &[1.0, 5.0, 10.0, 25.0, 50.0, 90.0, 100.0], 59);
        let expected = "██████░░░░░░░░┊░░░░░░░░░░░░░░┊░░░░░░░░░░░░░░░░░░░░░░░┊░░░░░";
        assert_eq!(bar.cells, expected);
        assert_eq!(bar.scale, "1 5  10       25             50                      90   100");
        let none = share(0.0, &[1.0, 5.0, 10.0], 59).cells;
        assert!(none.starts_with("┊░┊░░┊░"), "{none}");
        assert!(share(0.1, &[], 59).cells.starts_with("█░"), "a tenth is not nothing");
    }

    #[test]
    fn bars_show_their_marks_as_reached_only_when_they_are() {
        assert_eq!(proof(0.999, false, 10), "█████████░");
        assert_eq!(proof(1.0, true, 10), "██████████");
        assert_eq!(proof(0.01, false, 10), "█░░░░░░░░░");
        assert_eq!(proof(0.0, false, 10), "░░░░░░░░░░");
        assert_eq!(suspicion(0.0), "·····┃·····");
        assert_eq!(suspicion(0.49), "■■■■·┃·····");
        assert_eq!(suspicion(0.5), "■■■■■┃·····");
        assert_eq!(suspicion(0.99), "■■■■■┃■■■■·");
        assert_eq!(suspicion(1.0), "■■■■■┃■■■■■");
        assert_eq!(suspicion(f64::NAN), "·····┃·····");
    }
}
