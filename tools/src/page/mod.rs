//! Reports as one file for browsers: nothing is fetched, it is light or dark as the reader's system is, it can be printed, and it is well-formed
//! XML too, so that programs read it.

use std::fmt::Write;

use crate::plot::escaped;

/// How all reports look; the plots too, which take their colours from the page around them.
pub(crate) const STYLE: &str = include_str!("page.css");

/// A whole page: its title, which is also its first heading, and what is in it.
pub(crate) fn document(title: &str, content: &str) -> String {
    let title = escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{content}</main>\n\
         </body>\n</html>\n"
    )
}

/// What is known, name by name.
pub(crate) fn facts(page: &mut String, title: &str, facts: &[(&str, String)]) {
    let _ = writeln!(page, "<section>\n<h2>{}</h2>\n<dl>", escaped(title));
    for (name, words) in facts {
        let _ = writeln!(page, "<div><dt>{}</dt><dd>{}</dd></div>", escaped(name), escaped(words));
    }
    page.push_str("</dl>\n</section>\n");
}

/// A plot, and what is to be said below it.
pub(crate) fn figure(page: &mut String, title: &str, svg: &str, caption: &str) {
    let _ = writeln!(
        page,
        "<section>\n<h2>{}</h2>\n<figure>\n{svg}<figcaption>{}</figcaption>\n</figure>\n</section>",
        escaped(title),
        escaped(caption)
    );
}

/// A table whose columns in `numbers` hold numbers.
pub(crate) fn table(
    page: &mut String,
    title: &str,
    head: &[&str],
    numbers: std::ops::Range<usize>,
    rows: &[Vec<String>],
) {
    let class = |column: usize| if numbers.contains(&column) { " class=\"number\"" } else { "" };
    let _ =
        write!(page, "<section>\n<h2>{}</h2>\n<div class=\"table\">\n<table>\n<thead><tr>", escaped(title));
    for (column, name) in head.iter().enumerate() {
        let _ = write!(page, "<th scope=\"col\"{}>{}</th>", class(column), escaped(name));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        page.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(page, "<td{}>{}</td>", class(column), escaped(cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}
