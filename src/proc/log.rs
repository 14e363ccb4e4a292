//! Bounded logs: whatever a program prints, however much and of whatever bytes, a log keeps its beginning and its
//! end, in a constant amount of memory. The beginning is written as it comes, so that a live view can follow it; the
//! end is kept in a ring on disk beside it and appended when the program has ended.
//!
//! Nothing here may stop the program: what cannot be stored is counted and forgotten, never refused.

use super::os;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A line may be a whole event of an agent, which may quote a whole file; beyond this it is cut.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// How much of a line is looked at to decide whether it is stored.
const PROBE_BYTES: usize = 200;

/// One stream of one program on its way to disk.
pub(super) struct Log {
    lines: Lines,
    kept: Vec<u8>,
    file: File,
    head_left: u64,
    at_line_start: bool,
    ring: Ring,
    ring_path: PathBuf,
    lost: bool,
}

impl Log {
    /// `bytes_max` limits what is stored: the first half is the beginning, the second the end.
    pub(super) fn create(path: &Path, bytes_max: u64, drop_lines: &[String]) -> io::Result<Log> {
        Ok(Log {
            lines: Lines::new(drop_lines),
            kept: Vec::new(),
            file: os::private(OpenOptions::new().write(true).create_new(true)).open(path)?,
            head_left: bytes_max / 2,
            at_line_start: true,
            ring: Ring { file: None, bytes_max: bytes_max / 2, written: 0 },
            ring_path: path.with_extension("tail"),
            lost: false,
        })
    }

    /// Takes what was read. One write at most, so that lines are visible as soon as they are printed.
    pub(super) fn take(&mut self, chunk: &[u8]) {
        let mut kept = std::mem::take(&mut self.kept);
        self.lines.take(chunk, &mut kept);
        self.lost |= self.store(&kept).is_err();
        kept.clear();
        self.kept = kept;
    }

    fn store(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.head_left > 0 {
            let room = usize::try_from(self.head_left).unwrap_or(usize::MAX);
            let mut cut = bytes.len();
            if cut > room {
                // The beginning ends with a whole line where it can.
                cut = bytes[..room].iter().rposition(|byte| *byte == b'\n').map_or(room, |at| at + 1);
                self.head_left = 0;
            } else {
                self.head_left -= cut as u64;
            }
            self.file.write_all(&bytes[..cut])?;
            self.at_line_start = bytes[..cut].last().map_or(self.at_line_start, |byte| *byte == b'\n');
            bytes = &bytes[cut..];
        }
        self.ring.write(bytes, &self.ring_path)
    }

    /// Appends the end to the beginning. Returns whether anything that should have been stored was not.
    pub(super) fn finish(&mut self) -> bool {
        let mut kept = std::mem::take(&mut self.kept);
        self.lines.finish(&mut kept);
        self.lost |= self.store(&kept).is_err();
        let dropped = self.append_ring();
        self.lost |= dropped.is_err();
        self.lost || self.lines.cut_any || dropped.is_ok_and(|bytes| bytes > 0)
    }

    fn append_ring(&mut self) -> io::Result<u64> {
        let Some(mut end) = self.ring.read()? else { return Ok(self.ring.written) };
        let mut dropped = self.ring.written.saturating_sub(self.ring.bytes_max);
        if dropped > 0 {
            let skipped = end.skip_line()?;
            dropped += skipped;
            let before = if self.at_line_start { "" } else { "\n" };
            writeln!(self.file, "{before}[aura: {dropped} bytes left out]")?;
        }
        io::copy(&mut end, &mut self.file)?;
        self.ring.file = None;
        fs::remove_file(&self.ring_path)?;
        Ok(dropped)
    }
}

/// The last bytes of a stream, on disk.
struct Ring {
    file: Option<File>,
    bytes_max: u64,
    written: u64,
}

impl Ring {
    fn write(&mut self, bytes: &[u8], path: &Path) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.bytes_max == 0 {
            self.written += bytes.len() as u64;
            return Ok(());
        }
        let file = match self.file.take() {
            Some(file) => self.file.insert(file),
            None => self.file.insert(os::private(OpenOptions::new().read(true).write(true).create(true).truncate(true)).open(path)?),
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = self.written % self.bytes_max;
            let count = usize::try_from(self.bytes_max - at).unwrap_or(usize::MAX).min(rest.len());
            if at == 0 {
                file.seek(SeekFrom::Start(at))?;
            }
            file.write_all(&rest[..count])?;
            self.written += count as u64;
            rest = &rest[count..];
        }
        Ok(())
    }

    /// What the ring holds, oldest first; `None` if nothing came this far.
    fn read(&self) -> io::Result<Option<RingReader>> {
        let Some(file) = &self.file else { return Ok(None) };
        let start = if self.written > self.bytes_max { self.written % self.bytes_max } else { 0 };
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        Ok(Some(RingReader { file, wrap_after: start, wrapped: false }))
    }
}

struct RingReader {
    file: File,
    /// After the end of the file, this many bytes from its beginning.
    wrap_after: u64,
    wrapped: bool,
}

impl Read for RingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.wrapped {
            let count = self.file.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            self.wrapped = true;
            self.file.seek(SeekFrom::Start(0))?;
        }
        let count = usize::try_from(self.wrap_after).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read(&mut buffer[..count])?;
        self.wrap_after -= count as u64;
        Ok(count)
    }
}

impl RingReader {
    /// Skips the rest of a line whose beginning is gone; nothing if no line ends nearby. Returns how many bytes.
    fn skip_line(&mut self) -> io::Result<u64> {
        let before = (self.file.stream_position()?, self.wrap_after, self.wrapped);
        let mut skipped = 0;
        let mut chunk = [0; 4096];
        while skipped < LINE_BYTES_MAX {
            let (position, wrap_after, wrapped) = (self.file.stream_position()?, self.wrap_after, self.wrapped);
            let count = self.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            if let Some(at) = chunk[..count].iter().position(|byte| *byte == b'\n') {
                // Back to the newline, wherever this piece was read from.
                let from_start = self.wrapped && !wrapped;
                let position = if from_start { 0 } else { position };
                self.file.seek(SeekFrom::Start(position + at as u64 + 1))?;
                if self.wrapped {
                    self.wrap_after = wrap_after - (at as u64 + 1);
                }
                return Ok(skipped + at as u64 + 1);
            }
            skipped += count as u64;
        }
        self.file.seek(SeekFrom::Start(before.0))?;
        (self.wrap_after, self.wrapped) = (before.1, before.2);
        Ok(0)
    }
}

/// Decides line by line what is stored. Pure: bytes in, bytes out.
struct Lines {
    drop: Vec<Vec<u8>>,
    /// The beginning of a line that is not yet decided.
    probe: Vec<u8>,
    mode: Mode,
    /// Bytes of this line that were let through.
    passed: u64,
    /// Bytes of this line that were not.
    cut: u64,
    cut_any: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Probe,
    Keep,
    Drop,
}

impl Lines {
    fn new(drop: &[String]) -> Lines {
        let drop: Vec<_> = drop.iter().filter(|text| !text.is_empty()).map(|text| text.clone().into_bytes()).collect();
        let mode = if drop.is_empty() { Mode::Keep } else { Mode::Probe };
        Lines { drop, probe: Vec::new(), mode, passed: 0, cut: 0, cut_any: false }
    }

    fn take(&mut self, chunk: &[u8], kept: &mut Vec<u8>) {
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            let (body, ends) = part.strip_suffix(b"\n").map_or((part, false), |body| (body, true));
            self.body(body, ends, kept);
            if ends {
                self.end_line(kept, b"\n");
            }
        }
    }

    fn body(&mut self, mut body: &[u8], ends: bool, kept: &mut Vec<u8>) {
        if self.mode == Mode::Probe {
            let count = (PROBE_BYTES - self.probe.len()).min(body.len());
            self.probe.extend_from_slice(&body[..count]);
            body = &body[count..];
            if self.probe.len() == PROBE_BYTES || ends {
                self.decide(kept);
            }
        }
        if self.mode == Mode::Keep {
            let room = usize::try_from(LINE_BYTES_MAX - self.passed).unwrap_or(usize::MAX).min(body.len());
            kept.extend_from_slice(&body[..room]);
            self.passed += room as u64;
            self.cut += (body.len() - room) as u64;
        }
    }

    fn decide(&mut self, kept: &mut Vec<u8>) {
        let found = self.drop.iter().any(|text| self.probe.windows(text.len()).any(|window| window == text));
        self.mode = if found { Mode::Drop } else { Mode::Keep };
        if !found {
            kept.extend_from_slice(&self.probe);
            self.passed = self.probe.len() as u64;
        }
        self.probe.clear();
    }

    fn end_line(&mut self, kept: &mut Vec<u8>, newline: &[u8]) {
        if self.cut > 0 {
            kept.extend_from_slice(format!(" [aura: line cut, {} bytes left out]", self.cut).as_bytes());
            self.cut_any = true;
        }
        if self.mode == Mode::Keep {
            kept.extend_from_slice(newline);
        }
        self.mode = if self.drop.is_empty() { Mode::Keep } else { Mode::Probe };
        (self.passed, self.cut) = (0, 0);
    }

    /// The stream ended, perhaps within a line.
    fn finish(&mut self, kept: &mut Vec<u8>) {
        if self.mode == Mode::Probe && !self.probe.is_empty() {
            self.decide(kept);
        }
        let newline: &[u8] = if self.cut > 0 { b"\n" } else { b"" };
        self.end_line(kept, newline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn logged(bytes_max: u64, drop_lines: &[&str], input: &[u8], chunk_bytes: usize) -> (Vec<u8>, bool) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.log");
        let drop_lines: Vec<_> = drop_lines.iter().map(ToString::to_string).collect();
        let mut log = Log::create(&path, bytes_max, &drop_lines).unwrap();
        input.chunks(chunk_bytes).for_each(|chunk| log.take(chunk));
        let truncated = log.finish();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the ring is gone");
        (fs::read(path).unwrap(), truncated)
    }

    proptest! {
        #[test]
        fn a_log_that_fits_is_what_was_printed(
            input in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..2000), chunk_bytes in 1..300_usize,
        ) {
            // Half is for the beginning, half for the end, so this is the least that always fits.
            prop_assert_eq!(logged(4000, &[], &input, chunk_bytes), (input, false));
        }

        #[test]
        fn a_log_that_does_not_fit_is_whole_lines_from_both_ends(
            widths in proptest::collection::vec(1..20_usize, 100..400), bytes_max in 100..600_u64, chunk_bytes in 1..300_usize,
        ) {
            let lines: Vec<_> = widths.iter().enumerate().map(|(number, width)| format!("{number:>width$}\n")).collect();
            let input = lines.concat();
            let (log, truncated) = logged(bytes_max, &[], input.as_bytes(), chunk_bytes);
            prop_assume!(truncated);
            let log = String::from_utf8(log).unwrap();
            let (head, rest) = log.split_once("[aura: ").unwrap();
            let (dropped, tail) = rest.split_once(" bytes left out]\n").unwrap();
            let dropped: usize = dropped.parse().unwrap();
            // A line that had to be split is followed by a newline of ours.
            let adds_up = |head: &str| input.starts_with(head) && head.len() + dropped + tail.len() == input.len();
            prop_assert!(adds_up(head) || head.strip_suffix('\n').is_some_and(adds_up));
            prop_assert!(input.ends_with(tail));
            prop_assert!(tail.is_empty() || input[..input.len() - tail.len()].ends_with('\n'));
        }

        #[test]
        fn dropped_lines_do_not_depend_on_how_they_arrive(
            words in proptest::collection::vec(prop_oneof!["", "noise", "a noise b", "kept", "x{190,210}noise", "x{300}"], 0..40),
            chunk_bytes in 1..50_usize,
        ) {
            let input = words.join("\n");
            let kept: Vec<_> = words.iter().filter(|word| word.find("noise").is_none_or(|at| at + 5 > PROBE_BYTES)).cloned().collect();
            let (log, truncated) = logged(1 << 20, &["noise"], input.as_bytes(), chunk_bytes);
            let (log, expected) = (String::from_utf8(log).unwrap(), kept.join("\n"));
            prop_assert_eq!(log.trim_end_matches('\n'), expected.trim_end_matches('\n'));
            prop_assert!(!truncated);
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_cut_and_says_so() {
        let max = LINE_BYTES_MAX as usize;
        let input = [vec![b'x'; max + 7], b"\nnext\n".to_vec(), vec![b'y'; max], b"\n".to_vec(), vec![b'z'; max + 1]].concat();
        let (log, truncated) = logged(1 << 24, &["never"], &input, 8192);
        let expected = [
            &vec![b'x'; max][..],
            b" [aura: line cut, 7 bytes left out]\nnext\n",
            &vec![b'y'; max],
            b"\n",
            &vec![b'z'; max],
            b" [aura: line cut, 1 bytes left out]\n",
        ];
        assert!(log == expected.concat() && truncated);
    }

    #[test]
    fn a_log_without_room_stores_nothing_and_says_so() {
        assert_eq!(logged(0, &[], b"", 1), (vec![], false));
        assert_eq!(logged(0, &[], b"hello\n", 1), (vec![], true));
    }
}
