//! The board in a browser: how even its frames are and how soon it answers, with 200 tasks and a transcript of ten megabytes.

/// Plays the scene of `tests/board/large.rs`.
#[cfg(unix)]
pub fn board() {
    let Some(figures) = crate::large::figures() else { return };
    for (name, figure) in figures.as_object().into_iter().flatten() {
        println!("{name}: {figure}");
    }
}

#[cfg(not(unix))]
pub fn board() {
    println!("not measured here");
}
