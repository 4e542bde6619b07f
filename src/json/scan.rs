//! One pass over a text.
#![expect(clippy::cast_possible_truncation, reason = "a text has fewer bytes, and so fewer nodes, than 32 bits count")]

use super::{DEEPEST, Document, Kind, Node, bit};

/// A text that is longer is not read: nodes count in 32 bits.
const LONGEST: usize = u32::MAX as usize / 2;

pub(super) fn scan(text: &str, may_be_cut: bool) -> Option<Document<'_>> {
    if text.len() > LONGEST {
        return None;
    }
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, nodes: Vec::with_capacity(text.len() / 12 + 4), mended: false };
    let complete = match scanner.document() {
        Ok(()) => true,
        Err(Stop::Cut) if may_be_cut => false,
        Err(_) => return None,
    };
    let Scanner { mut nodes, mended, .. } = scanner;
    if !complete {
        close(&mut nodes);
    }
    (!nodes.is_empty()).then_some(Document { text, nodes, complete, mended })
}

/// Closes what is open: containers have no `next` yet. A name without a value gets null.
fn close(nodes: &mut Vec<Node>) {
    let open: Vec<usize> = (0..nodes.len()).filter(|index| nodes.get(*index).is_some_and(|node| node.next == OPEN)).collect();
    if let Some(node) =
        open.last().and_then(|index| Some((index, nodes.get(*index)?))).filter(|(_, node)| node.kind == Kind::Object)
    {
        let (mut index, mut values) = (*node.0 + 1, 0);
        while let Some(node) = nodes.get(index) {
            index = node.next as usize;
            values += 1;
        }
        if values % 2 == 1 {
            let (end, next) = (nodes.last().map_or(0, |node| node.end), nodes.len() as u32 + 1);
            nodes.push(Node { kind: Kind::Null, start: end, end, next, names: 0 });
        }
    }
    let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    for index in open {
        if let Some(node) = nodes.get_mut(index) {
            node.next = count;
        }
    }
}

/// What `next` is while a container is open.
const OPEN: u32 = u32::MAX;

enum Stop {
    /// The text ends too early.
    Cut,
    /// It is not JSON.
    Broken,
}

struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
    nodes: Vec<Node>,
    mended: bool,
}

/// What may come next inside a container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A value, or the end of a container that is still empty.
    FirstOrEnd,
    Value,
    CommaOrEnd,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn next_token(&mut self) -> Result<u8, Stop> {
        self.skip_space();
        self.peek().ok_or(Stop::Cut)
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        let next = if matches!(kind, Kind::Array | Kind::Object) { OPEN } else { self.nodes.len() as u32 + 1 };
        self.nodes.push(Node { kind, start: start as u32, end: end as u32, next, names: 0 });
    }

    fn document(&mut self) -> Result<(), Stop> {
        // The containers that are open, innermost last: the node, and whether it is an object.
        let mut open: Vec<(usize, bool)> = Vec::new();
        let mut expect = Expect::Value;
        loop {
            let token = self.next_token()?;
            if let Some((container, object)) = open.last().copied() {
                let end = if object { b'}' } else { b']' };
                if token == end && expect != Expect::Value {
                    self.at += 1;
                    let count = self.nodes.len() as u32;
                    if let Some(node) = self.nodes.get_mut(container) {
                        (node.next, node.end) = (count, self.at as u32);
                    }
                    open.pop();
                    if open.is_empty() {
                        break;
                    }
                    expect = Expect::CommaOrEnd;
                    continue;
                }
                if expect == Expect::CommaOrEnd {
                    if token != b',' {
                        return Err(Stop::Broken);
                    }
                    self.at += 1;
                    expect = Expect::Value;
                    continue;
                }
                if object {
                    if token != b'"' {
                        return Err(Stop::Broken);
                    }
                    self.name(container)?;
                    if self.next_token()? != b':' {
                        return Err(Stop::Broken);
                    }
                    self.at += 1;
                    self.skip_space();
                }
            }
            let token = self.next_token()?;
            match token {
                b'{' | b'[' => {
                    if open.len() == DEEPEST {
                        return Err(Stop::Broken);
                    }
                    let object = token == b'{';
                    open.push((self.nodes.len(), object));
                    self.push(if object { Kind::Object } else { Kind::Array }, self.at, self.at);
                    self.at += 1;
                    expect = Expect::FirstOrEnd;
                    continue;
                }
                b'"' => self.string()?,
                b'0'..=b'9' => self.number()?,
                b'-' if self.bytes.get(self.at + 1) != Some(&b'I') => self.number()?,
                b't' => self.word(b"true", Kind::True)?,
                b'f' => self.word(b"false", Kind::False)?,
                b'n' => self.word(b"null", Kind::Null)?,
                b'N' => self.no_number(b"NaN")?,
                b'I' => self.no_number(b"Infinity")?,
                b'-' => self.no_number(b"-Infinity")?,
                _ => return Err(Stop::Broken),
            }
            if open.is_empty() {
                break;
            }
            expect = Expect::CommaOrEnd;
        }
        self.skip_space();
        if self.peek().is_some() { Err(Stop::Broken) } else { Ok(()) }
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<(), Stop> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(if word.starts_with(rest) { Stop::Cut } else { Stop::Broken });
        }
        self.push(kind, self.at, self.at + word.len());
        self.at += word.len();
        Ok(())
    }

    fn no_number(&mut self, word: &[u8]) -> Result<(), Stop> {
        self.mended = true;
        self.word(word, Kind::Null)
    }

    fn string(&mut self) -> Result<(), Stop> {
        let start = self.at + 1;
        let mut at = start;
        let mut kind = Kind::Plain;
        loop {
            match self.bytes.get(at) {
                None => return Err(Stop::Cut),
                Some(b'"') => break,
                Some(b'\\') => {
                    kind = Kind::Escaped;
                    let escape = self.bytes.get(at + 1).copied().unwrap_or_default();
                    // What follows a `u` may be anything.
                    self.mended |= !matches!(escape, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't');
                    at += 2;
                }
                Some(0..0x20) => {
                    kind = Kind::Escaped;
                    self.mended = true;
                    at += 1;
                }
                Some(_) => at += 1,
            }
        }
        self.push(kind, start, at);
        self.at = at + 1;
        Ok(())
    }

    /// The name of a member of that object.
    fn name(&mut self, object: usize) -> Result<(), Stop> {
        self.string()?;
        let Some(name) = self.nodes.last() else { return Ok(()) };
        let bits = match name.kind {
            Kind::Plain => bit(self.bytes.get(name.start as usize..name.end as usize).unwrap_or_default()),
            _ => u32::MAX,
        };
        if let Some(node) = self.nodes.get_mut(object) {
            node.names |= bits;
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<(), Stop> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || leading_zero && whole > 1 {
            return Err(self.cut_or_broken());
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.cut_or_broken());
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.cut_or_broken());
            }
        }
        // Inside of something no number is the end: this one was cut, and would be another one.
        if self.at == self.bytes.len() && !self.nodes.is_empty() {
            return Err(Stop::Cut);
        }
        self.push(Kind::Number, start, self.at);
        Ok(())
    }

    fn cut_or_broken(&self) -> Stop {
        if self.at == self.bytes.len() { Stop::Cut } else { Stop::Broken }
    }
}
