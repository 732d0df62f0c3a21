//! Pages that stand alone: everything they show is in them.

pub mod plot;

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");

/// A whole page.
pub fn page(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // No icon, so that a browser does not ask a server for one.
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

/// A plot in its frame; the narrow one is for narrow screens.
pub fn figure(plots: &plot::Plots, caption: &str) -> Markup {
    html! {
        figure {
            (PreEscaped(&plots.broad))
            (PreEscaped(&plots.narrow))
            figcaption { (caption) }
        }
    }
}

/// Figures that are to catch the eye, each with its meaning.
pub fn cards(cards: &[(String, String)]) -> Markup {
    html! {
        div.cards {
            @for (figure, meaning) in cards { div { strong { (figure) } span { (meaning) } } }
        }
    }
}
