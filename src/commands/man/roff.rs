//! Writes roff with the macros of man(7), as mandoc and groff both read it.

use clap::Arg;

const WIDTH: usize = 79;

/// A manual page that is being written.
pub struct Page {
    text: String,
    /// Whether values of an option are being listed.
    in_values: bool,
    /// Whether a paragraph here needs no macro before it.
    is_fresh: bool,
}

impl Page {
    /// Ragged lines without hyphens: a name that is broken can't be copied.
    pub fn start(name: &str, date: &str, version: &str) -> Page {
        let title = escape(&name.to_uppercase());
        let source = escape(&format!("yandex-token {version}"));
        Page {
            text: format!(".TH {title} 1 \"{date}\" \"{source}\" \"User Commands\"\n.nh\n.ad l\n"),
            in_values: false,
            is_fresh: true,
        }
    }

    pub fn into_text(self) -> String {
        self.text
    }

    pub fn section(&mut self, title: &str) {
        self.line(&format!(".SH {title}"));
        self.is_fresh = true;
    }

    pub fn subsection(&mut self, title: &str) {
        self.line(&format!(".SS {}", escape(title)));
        self.is_fresh = true;
    }

    /// A line of roff as it is.
    pub fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    pub fn paragraph(&mut self, text: &str) {
        if !self.is_fresh {
            self.line(".PP");
        }
        self.sentences(text);
    }

    /// A term, in roff, and what it means.
    pub fn item(&mut self, term: &str, text: &str) {
        self.line(".TP");
        self.line(term);
        self.sentences(text);
    }

    /// One of the values of the option before it.
    pub fn value(&mut self, name: &str, text: &str) {
        if !self.in_values {
            self.line(".RS");
        }
        self.in_values = true;
        self.item(&bold(name), &sentence(text));
    }

    pub fn end_values(&mut self) {
        if self.in_values {
            self.line(".RE");
        }
        self.in_values = false;
    }

    /// A command line, not filled, and what it does, indented.
    pub fn example(&mut self, line: &str, text: &str) {
        if !self.is_fresh {
            self.line(".PP");
        }
        self.line(".nf");
        self.line(&bold(line));
        self.line(".fi");
        if !text.is_empty() {
            self.line(".RS");
            self.sentences(&sentence(text));
            self.line(".RE");
        }
        self.is_fresh = false;
    }

    /// The words of a usage line: what is typed is bold, what it stands for
    /// italic.
    pub fn synopsis(&mut self, usage: &str) {
        let words: Vec<_> = usage.split(' ').map(synopsis_word).collect();
        self.line(&words.join(" "));
    }

    pub fn references(&mut self, pages: &[String]) {
        let (last, others) = match pages.split_last() {
            Some(parts) => parts,
            None => return,
        };
        for page in others {
            self.line(&format!("{},", reference(page)));
        }
        self.line(&reference(last));
        self.is_fresh = false;
    }

    /// A sentence begins a line: roff puts the right space between two.
    fn sentences(&mut self, text: &str) {
        let text = text.replace('\n', " ");
        for sentence in text.split_inclusive(". ") {
            self.filled(&marked(sentence.trim()));
        }
        self.is_fresh = false;
    }

    /// Running text in lines that a person can read in the source as well.
    pub fn filled(&mut self, roff: &str) {
        let mut line = String::new();
        for word in roff.split(' ') {
            if line.len() + word.len() >= WIDTH && !line.is_empty() {
                self.text_line(&line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.text_line(&line);
    }

    /// A dot or a quote at the start of a line would be a request.
    fn text_line(&mut self, line: &str) {
        let guard = match line.starts_with(['.', '\'']) {
            true => "\\&",
            false => "",
        };
        self.line(&format!("{guard}{line}"));
    }
}

/// With a capital at its start and a full stop at its end.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    let stop = if text.ends_with(['.', '…']) {
        ""
    } else {
        "."
    };
    format!("{}{}{stop}", first.unwrap_or_default(), letters.as_str())
}

pub fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escape_code(text))
}

pub fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escape_code(text))
}

/// A page's name bold, its section not.
pub fn reference(page: &str) -> String {
    let (name, section) = page.split_once('(').unwrap_or((page, "1)"));
    format!("{}({section}", bold(name))
}

pub fn argument(argument: &Arg) -> String {
    let name = argument.get_value_names().map_or("", |names| &names[0]);
    match argument.is_last_set() {
        true => format!("{} {}...", bold("--"), italic(name)),
        false => italic(name),
    }
}

/// `-o`, `--output FILE`
pub fn option(option: &Arg) -> String {
    let short = option.get_short().map(|c| bold(&format!("-{c}")));
    let long = option.get_long().map(|name| bold(&format!("--{name}")));
    let mut term = [short, long]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ");
    if option.get_action().takes_values() {
        let name = option.get_value_names().map_or("", |names| &names[0]);
        term.push_str(&format!(" {}", italic(name)));
    }
    term
}

fn synopsis_word(word: &str) -> String {
    let name = word.trim_matches(|c| "[]<>.".contains(c));
    let dots = if word.contains("...") { "..." } else { "" };
    let (open, close) = match (word.starts_with('['), word.ends_with([']'])) {
        (true, true) => ("[", "]"),
        (true, false) => ("[", ""),
        (false, true) => ("", "]"),
        _ => ("", ""),
    };
    let is_typed = name.chars().all(|c| c.is_lowercase() || c == '-');
    let shown = if is_typed { bold(name) } else { italic(name) };
    // `[PROGRAM]...` stands for `[PROGRAM...]`.
    format!("{open}{shown}{dots}{close}")
}

/// Text with its options, its variables and what is `quoted` made bold.
fn marked(text: &str) -> String {
    text.split('`')
        .enumerate()
        .map(|(at, part)| match at % 2 {
            1 => bold(part),
            _ => part
                .split(' ')
                .map(marked_word)
                .collect::<Vec<_>>()
                .join(" "),
        })
        .collect()
}

fn marked_word(word: &str) -> String {
    let core = word
        .trim_start_matches('(')
        .trim_end_matches(|c| ".,;:)".contains(c));
    let is_option = core.starts_with('-') && core.len() > 1;
    let is_variable =
        core.contains('_') && core.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    match is_option || is_variable {
        true => word.replacen(core, "\0", 1).replace('\0', &bold(core)),
        false if word.contains("://") => escape_code(word),
        false => escape(word),
    }
}

/// Running text: a hyphen stays one.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '…' => out.push_str("..."),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            '`' => out.push_str("\\(ga"),
            '\'' => out.push_str("\\(aq"),
            _ => out.push(c),
        }
    }
    out
}

/// What is typed or copied: a hyphen is the minus of the keyboard.
fn escape_code(text: &str) -> String {
    escape(text).replace('-', "\\-")
}
