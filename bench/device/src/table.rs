//! Tables in Markdown, and medians.

/// Heads, and the rows below them.
pub struct Table {
    pub heads: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

/// Prints a table, and an empty line.
pub fn print(table: &Table) {
    println!("| {} |", table.heads.join(" | "));
    println!("|{}", "-|".repeat(table.heads.len()));
    for row in &table.rows {
        println!("| {} |", row.join(" | "));
    }
    println!();
}

/// The middle of what was measured; of an even number the upper one.
pub fn median<T>(runs: &[T], number: impl Fn(&T) -> f64) -> f64 {
    let mut numbers: Vec<f64> = runs.iter().map(number).collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
