// The body of a function that tells what is wrong with the layout of a page: what is wider than the window, and what lies over something else.
const wrongs = [];
const words = (element) => {
    const text = (element.getAttribute?.("aria-label") || element.innerText || element.textContent || "").trim().replace(/\s+/g, " ");
    return `${element.tagName.toLowerCase()}${element.id ? "#" + element.id : ""} "${text.slice(0, 40)}"`;
};
const place = (rect) => `${Math.round(rect.left)},${Math.round(rect.top)} ${Math.round(rect.width)}x${Math.round(rect.height)}`;

// What of a rectangle can be seen, since nothing around it cuts it off.
const visible = (rect, element) => {
    let { left, top, right, bottom } = rect;
    for (let around = element; around && around !== document.documentElement; around = around.parentElement) {
        const style = getComputedStyle(around);
        if (style.overflowX === "visible" && style.overflowY === "visible") continue;
        const edge = around.getBoundingClientRect();
        [left, right] = [Math.max(left, edge.left), Math.min(right, edge.right)];
        [top, bottom] = [Math.max(top, edge.top), Math.min(bottom, edge.bottom)];
    }
    return right - left > 1 && bottom - top > 1 ? { left, top, right, bottom, width: right - left, height: bottom - top } : null;
};
const shown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true });
// Whatever stays in its place when the page is scrolled lies over the rest by intention, and so does a dialog.
const layer = (element) => {
    for (let around = element; around; around = around.parentElement) {
        if (around.matches("dialog[open], [popover]:popover-open") || ["fixed", "sticky"].includes(getComputedStyle(around).position)) return around;
    }
    return null;
};

const root = document.documentElement;
if (root.scrollWidth > innerWidth) {
    wrongs.push(`the page is ${root.scrollWidth} px wide in a window of ${innerWidth} px`);
    for (const element of document.body.querySelectorAll("*")) {
        const rect = visible(element.getBoundingClientRect(), element.parentElement);
        if (rect && rect.right > innerWidth + 1 && shown(element) && !layer(element)) wrongs.push(`too far right: ${words(element)} ${place(rect)}`);
    }
}

const pieces = [];
const add = (kind, element, rect) => {
    const seen = visible(rect, element);
    if (seen) pieces.push({ kind, element, rect: seen, layer: layer(element) });
};
for (const element of document.querySelectorAll("a[href], button, input, select, textarea, summary, [role=button], [tabindex]:not([tabindex='-1'])")) {
    // What can be focused to be scrolled isn't pressed.
    if (shown(element) && !(element.matches("[tabindex]") && element.querySelector("a, button, input, [tabindex]"))) {
        add("control", element, element.getBoundingClientRect());
    }
}
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
    const text = walker.currentNode, element = text.parentElement;
    if (!text.data.trim() || !shown(element) || element.closest("script, style, option, datalist, title, desc")) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    for (const rect of range.getClientRects()) add("text", element, rect);
}
pieces.sort((one, other) => one.rect.left - other.rect.left);
for (const [number, one] of pieces.entries()) {
    for (const other of pieces.slice(number + 1)) {
        if (other.rect.left >= one.rect.right) break;
        if (one.layer !== other.layer || one.element.contains(other.element) || other.element.contains(one.element)) continue;
        const wide = Math.min(one.rect.right, other.rect.right) - other.rect.left;
        const high = Math.min(one.rect.bottom, other.rect.bottom) - Math.max(one.rect.top, other.rect.top);
        // The boxes of lines reach beyond their letters.
        const slack = one.kind === "text" || other.kind === "text" ? 4 : 1;
        if (wide > 2 && high > slack) wrongs.push(`${words(one.element)} ${place(one.rect)} and ${words(other.element)} ${place(other.rect)} overlap`);
    }
}
return wrongs;
