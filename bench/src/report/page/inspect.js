// Runs in the page before anything else of it. When all is loaded, what is wrong is appended to
// the window's body as an element `wrong`, a line each, and the number of plots that were seen as an element `plots`.
const wrong = [];
addEventListener("error", (event) => wrong.push(`error: ${event.message || event.target.outerHTML}`), true);
addEventListener("load", () => {
  const shown = (element) => getComputedStyle(element).display !== "none";
  // The colours of grid, axes and paper: what is left are marks.
  const bare = new Set(["#E2E5E9", "#59636E", "#FFFFFF", "none", null]);
  let plots = 0;
  for (const figure of document.querySelectorAll("figure")) {
    if (figure.querySelector(".nothing")) continue;
    const svgs = [...figure.querySelectorAll("svg")].filter(shown);
    if (svgs.length !== 1) {
      wrong.push(`${figure.id}: ${svgs.length} plots are shown at once`);
      continue;
    }
    const svg = svgs[0];
    plots += 1;
    // The key beside the plot has marks too: those inside the grid count.
    const grid = [...svg.querySelectorAll('[stroke="#E2E5E9"]')].map((line) => line.getBoundingClientRect());
    const [left, top] = ["left", "top"].map((side) => Math.min(...grid.map((box) => box[side])) - 6);
    const [right, bottom] = ["right", "bottom"].map((side) => Math.max(...grid.map((box) => box[side])) + 6);
    const marks = [...svg.querySelectorAll("polyline, polygon, rect, circle, line, path")].filter((mark) => {
      const box = mark.getBoundingClientRect();
      const inside = box.left >= left && box.right <= right && box.top >= top && box.bottom <= bottom;
      const coloured = ["fill", "stroke"].some((ink) => !bare.has(mark.getAttribute(ink)));
      const visible = box.width + box.height > 2 && getComputedStyle(mark).visibility === "visible";
      return inside && coloured && visible;
    });
    if (marks.length === 0) wrong.push(`${figure.id}: the plot is empty`);
    const edge = svg.getBoundingClientRect();
    for (const text of svg.querySelectorAll("text")) {
      if (text.textContent.trim() === "") continue;
      const box = text.getBoundingClientRect();
      if (box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1 || box.bottom > edge.bottom + 1)
        wrong.push(`${figure.id}: "${text.textContent.trim()}" is cut off`);
      if (box.height < 9) wrong.push(`${figure.id}: "${text.textContent.trim()}" is ${box.height} pixels high`);
    }
  }
  const width = document.documentElement.scrollWidth;
  if (width > innerWidth) wrong.push(`the page is ${width} pixels wide in a window of ${innerWidth}`);
  const verdict = document.createElement("pre");
  verdict.id = "wrong";
  verdict.textContent = wrong.join("\n");
  const count = document.createElement("pre");
  count.id = "plots";
  count.textContent = `${plots} at ${innerWidth}`;
  // Headless windows have a least width; a frame in one has any.
  parent.document.body.append(verdict, count);
});
