//! Where boxes and lines of a drawing lie, and its text.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    ops::Range,
};

use crate::NodeId;

/// One value.
pub struct Card {
    pub id: NodeId,
    pub title: String,
    pub detail: String,
    /// Where the value lies.
    pub tag: String,
    /// The names of outputs that it is, if any.
    pub output: String,
    pub buffer: Option<usize>,
    /// Values it reads, weights left out.
    pub inputs: Vec<NodeId>,
}

/// Values that belong together.
pub struct Group {
    pub title: String,
    pub cards: Vec<Card>,
}

/// A layer, or what is outside of layers.
pub struct Section {
    pub title: String,
    pub layers: Option<Range<usize>>,
    pub groups: Vec<Group>,
    /// Values of layers that are not drawn, and the values of this one that stand for them.
    pub same: BTreeMap<NodeId, NodeId>,
}

const LEFT: usize = 16;
const CARD_WIDTH: usize = 620;
const CARD_HEIGHT: usize = 34;
const GAP: usize = 6;
const TITLE: usize = 18;
const PADDING: usize = 8;
const LANE: usize = 9;
/// Characters of a line that fit a card.
const TITLE_CHARS: usize = 78;
const DETAIL_CHARS: usize = 100;

/// Fills of buffers, told apart by people who see few colours, too; they repeat after ten.
const COLOURS: [&str; 10] = [
    "#8ecae6", "#ffb703", "#b7e4c7", "#f4a6a6", "#cdb4db", "#ffe066", "#90be6d", "#f9c6a0",
    "#a9d6e5", "#e0aaff",
];
const PLAIN: &str = "#f1f3f5";

/// A line from one card down to another, by their upper edges.
struct Edge {
    from: usize,
    to: usize,
}

/// The whole drawing.
pub fn draw(heading: &str, legend: &[String], sections: &[Section]) -> String {
    let mut body = String::new();
    let mut at: HashMap<NodeId, usize> = HashMap::new();
    let mut y = 28 + 20 * legend.len().div_ceil(4);
    for section in sections {
        y = draw_section(&mut body, section, y, &mut at);
    }
    for (hidden, shown) in sections.iter().flat_map(|s| &s.same) {
        if let Some(&y) = at.get(shown) {
            at.insert(*hidden, y);
        }
    }
    let (lines, lanes) = edges(sections, &at);
    let width = LEFT + CARD_WIDTH + 2 * PADDING + LANE * (lanes + 3);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{}\" \
         viewBox=\"0 0 {width} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" font-size=\"14\" font-weight=\"bold\">{}</text>\n",
        y + 8,
        y + 8,
        escape(heading)
    );
    for (i, text) in legend.iter().enumerate() {
        let (x, y) = (LEFT + i % 4 * 160, 28 + 20 * (i / 4));
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"14\" height=\"14\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"{}\">{}</text>",
            colour(Some(i)),
            x + 20,
            y + 12,
            escape(text)
        );
    }
    out.push_str(&body);
    out.push_str(&lines);
    out.push_str("</svg>\n");
    out
}

fn draw_section(
    out: &mut String,
    section: &Section,
    top: usize,
    at: &mut HashMap<NodeId, usize>,
) -> usize {
    let mut y = top + 2 * TITLE;
    let title = escape(&section.title);
    let _ = writeln!(
        out,
        "<g>\n<text x=\"{LEFT}\" y=\"{}\" font-size=\"13\" font-weight=\"bold\">{title}</text>",
        y - 8
    );
    for group in &section.groups {
        let title = if group.title.is_empty() { 0 } else { TITLE };
        let height = 2 * PADDING + title + group.cards.len() * (CARD_HEIGHT + GAP) - GAP;
        let _ = writeln!(
            out,
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{}\" height=\"{height}\" rx=\"6\" fill=\"none\" \
             stroke=\"#adb5bd\"/>",
            CARD_WIDTH + 2 * PADDING
        );
        if title > 0 {
            let (x, y) = (LEFT + PADDING, y + TITLE);
            let title = escape(&clip(&group.title, DETAIL_CHARS));
            let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" fill=\"#495057\">{title}</text>");
        }
        let mut card_y = y + PADDING + title;
        for card in &group.cards {
            draw_card(out, card, card_y);
            at.insert(card.id, card_y);
            card_y += CARD_HEIGHT + GAP;
        }
        y += height + GAP;
    }
    out.push_str("</g>\n");
    y
}

fn draw_card(out: &mut String, card: &Card, y: usize) {
    let x = LEFT + PADDING;
    let tag = match card.output.is_empty() {
        true => card.tag.clone(),
        false => format!("{}, output {}", card.tag, card.output),
    };
    let _ = writeln!(
        out,
        "<g class=\"card\"><title>{} {}\n{}\n{}</title>\
         <rect x=\"{x}\" y=\"{y}\" width=\"{CARD_WIDTH}\" height=\"{CARD_HEIGHT}\" rx=\"3\" \
         fill=\"{}\" stroke=\"#495057\" stroke-width=\"0.5\"/>\
         <text x=\"{}\" y=\"{}\">{}</text>\
         <text x=\"{}\" y=\"{}\" font-size=\"10\" fill=\"#495057\">{}</text>\
         <text x=\"{}\" y=\"{}\" font-size=\"10\" text-anchor=\"end\">{}</text></g>",
        card.id,
        escape(&card.title),
        escape(&card.detail),
        escape(&tag),
        colour(card.buffer),
        x + 6,
        y + 14,
        escape(&clip(&format!("{} {}", card.id, card.title), TITLE_CHARS)),
        x + 6,
        y + 28,
        escape(&clip(&card.detail, DETAIL_CHARS)),
        x + CARD_WIDTH - 6,
        y + 14,
        escape(&tag)
    );
}

/// Lines from each value to its readers, side by side in lanes, and the number of lanes.
fn edges(sections: &[Section], at: &HashMap<NodeId, usize>) -> (String, usize) {
    let mut edges: Vec<Edge> = Vec::new();
    for card in sections.iter().flat_map(|s| &s.groups).flat_map(|g| &g.cards) {
        let Some(&to) = at.get(&card.id) else { continue };
        let from = card.inputs.iter().filter_map(|i| at.get(i)).filter(|y| **y < to);
        edges.extend(from.map(|&from| Edge { from, to }));
    }
    // Short lines inside, long ones outside.
    edges.sort_by_key(|e| (e.to - e.from, e.from));
    edges.dedup_by_key(|e| (e.from, e.to));
    let mut lanes: Vec<Vec<Range<usize>>> = Vec::new();
    let mut out = String::from("<g fill=\"none\" stroke=\"#343a40\" stroke-width=\"0.8\">\n");
    let right = LEFT + PADDING + CARD_WIDTH;
    for edge in &edges {
        let (a, b) = (edge.from + CARD_HEIGHT * 2 / 3, edge.to + CARD_HEIGHT / 3);
        let free = |taken: &Vec<Range<usize>>| taken.iter().all(|r| b <= r.start || r.end <= a);
        let lane = lanes.iter().position(free).unwrap_or_else(|| {
            lanes.push(Vec::new());
            lanes.len() - 1
        });
        lanes[lane].push(a..b);
        let x = right + PADDING + LANE * (lane + 1);
        let _ = writeln!(out, "<path d=\"M{right} {a}H{x}V{b}H{right}m5 -3l-5 3l5 3\"/>");
    }
    out.push_str("</g>\n");
    (out, lanes.len())
}

fn colour(buffer: Option<usize>) -> &'static str {
    buffer.map_or(PLAIN, |b| COLOURS[b % COLOURS.len()])
}

fn clip(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
