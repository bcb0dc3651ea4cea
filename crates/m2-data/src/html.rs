//! The text of an HTML page: tags dropped, entities decoded, blocks kept apart.
//!
//! A forgiving reader in one pass, made for search: whatever it is given, it ends and returns text.

/// Elements whose content is no text.
const SILENT: [&str; 6] = ["script", "style", "template", "noscript", "svg", "iframe"];
/// Elements that stand in a paragraph of their own.
const BLOCKS: [&str; 39] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "center",
    "dd",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "title",
    "tr",
    "ul",
];
/// The longest `&name;` that is looked up.
const LONGEST_ENTITY: usize = 10;

/// Strips the tags of a page. Paragraphs are separated by an empty line, runs of spaces are one.
pub fn strip_tags(html: &str) -> String {
    let mut out = Text { text: String::with_capacity(html.len() / 2), gap: Gap::None };
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        out.push(&rest[..at]);
        rest = &rest[at..];
        rest = if rest.starts_with('&') { entity(rest, &mut out) } else { markup(rest, &mut out) };
    }
    out.push(rest);
    out.text
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
    Paragraph,
}

struct Text {
    text: String,
    gap: Gap,
}

impl Text {
    fn push(&mut self, part: &str) {
        for c in part.chars() {
            if c.is_whitespace() {
                self.gap(Gap::Space);
                continue;
            }
            if !self.text.is_empty() {
                self.text.push_str(match self.gap {
                    Gap::None => "",
                    Gap::Space => " ",
                    Gap::Line => "\n",
                    Gap::Paragraph => "\n\n",
                });
            }
            self.gap = Gap::None;
            self.text.push(c);
        }
    }

    fn gap(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }
}

/// Reads from a `<`; returns what follows the tag, comment or silent element.
fn markup<'a>(html: &'a str, out: &mut Text) -> &'a str {
    if let Some(comment) = html.strip_prefix("<!--") {
        return comment.find("-->").map_or("", |end| &comment[end + 3..]);
    }
    let inner = &html[1..];
    let closing = inner.starts_with('/');
    let named = if closing { &inner[1..] } else { inner };
    if !named.starts_with(|c: char| c.is_ascii_alphabetic() || c == '!' || c == '?') {
        out.push("<");
        return inner;
    }
    let length = named.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(named.len());
    let name = named[..length].to_ascii_lowercase();
    let rest = after_tag(&named[length..]);
    if name == "br" {
        out.gap(Gap::Line);
    } else if name == "td" || name == "th" {
        out.gap(Gap::Space);
    } else if BLOCKS.contains(&name.as_str()) {
        out.gap(Gap::Paragraph);
    }
    if !closing && SILENT.contains(&name.as_str()) {
        out.gap(Gap::Space);
        return after_element(rest, &name);
    }
    rest
}

/// What follows the `>` of a tag; quoted attribute values may hold one.
fn after_tag(tag: &str) -> &str {
    let mut quote = None;
    for (at, c) in tag.char_indices() {
        match (quote, c) {
            (None, '>') => return &tag[at + 1..],
            (None, '"' | '\'') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            _ => {}
        }
    }
    // A quote that never closes: take the first `>` after all.
    tag.find('>').map_or("", |end| &tag[end + 1..])
}

/// What follows `</name …>`, or nothing where the element never ends.
fn after_element<'a>(html: &'a str, name: &str) -> &'a str {
    let mut rest = html;
    while let Some(at) = rest.find("</") {
        rest = &rest[at + 2..];
        if rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return rest.find('>').map_or("", |end| &rest[end + 1..]);
        }
    }
    ""
}

/// Reads from a `&`; what is no known entity stays as it is.
fn entity<'a>(html: &'a str, out: &mut Text) -> &'a str {
    let body = &html[1..];
    let end = body.bytes().take(LONGEST_ENTITY).position(|b| b == b';');
    let decoded = end.and_then(|end| Some((decode(body.get(..end)?)?, end)));
    match decoded {
        Some((c, end)) => {
            out.push(c.encode_utf8(&mut [0; 4]));
            &body[end + 1..]
        }
        None => {
            out.push("&");
            body
        }
    }
}

fn decode(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return code.ok().and_then(char::from_u32).filter(|c| *c != '\0');
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "laquo" => '«',
        "raquo" => '»',
        "bull" => '•',
        "middot" => '·',
        "copy" => '©',
        "reg" => '®',
        "trade" => '™',
        "deg" => '°',
        "sect" => '§',
        "para" => '¶',
        "times" => '×',
        "euro" => '€',
        "pound" => '£',
        "rarr" => '→',
        "larr" => '←',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_paragraphs() {
        let page = "<!DOCTYPE html><html><head><title>T &amp; U</title>\
            <style>p > a { color: red }</style><script>if (a < b) { '</p>' }</SCRIPT ></head>\
            <body><!-- <p>no</p> --><h1>Head</h1><p>One <b>bo</b>ld\n  word,<br>line &#x41;&#66;\
            </p><p title=\"a > b\">Two</p><td>x</td><td>y</td></body></html>";
        assert_eq!(strip_tags(page), "T & U\n\nHead\n\nOne bold word,\nline AB\n\nTwo\n\nx y");
    }

    #[test]
    fn what_is_no_markup_stays() {
        for text in ["a < b & c > d", "1 &lt 2", "&unknown; &#xD800; &#0; &;", "5 <3", "<", "&"] {
            assert_eq!(strip_tags(text), text);
        }
        assert_eq!(strip_tags("&lt;b&gt;"), "<b>");
    }

    #[test]
    fn broken_pages_end() {
        for page in ["<p", "<!--", "<p title=\"x", "<script>", "</", "<a 'b>c</a>d", "&#x"] {
            strip_tags(page);
        }
        assert_eq!(strip_tags("<p title=\"x>text</p> more"), "text\n\nmore");
        assert_eq!(strip_tags(""), "");
    }
}
