// Sorts and searches the tables of points. Without it they are whole, in the order of names.
for (const table of document.querySelectorAll(".bnn-matrix")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];  // in the order of names, which is the first column's
  const headers = [...table.querySelectorAll("th[data-column]")];
  const points = (row, column) => {
    const said = row.cells[column].dataset.points;
    return said === undefined ? null : Number(said);
  };
  const compare = (column, sign) => (one, other) => {
    if (column === 0) return sign * (rows.indexOf(one) - rows.indexOf(other));
    const [a, b] = [points(one, column), points(other, column)];
    if (a === null || b === null) return (a === null) - (b === null);  // who has none comes last, either way
    return sign * (a - b) || rows.indexOf(one) - rows.indexOf(other);
  };
  for (const header of headers) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const order = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      for (const other of headers) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", order);
      const column = Number(header.dataset.column);
      body.append(...[...rows].sort(compare(column, order === "ascending" ? 1 : -1)));
    });
  }
  headers[0].setAttribute("aria-sort", "ascending");

  const label = document.createElement("label");
  const field = document.createElement("input");
  const found = document.createElement("span");
  const line = document.createElement("p");
  field.type = "search";
  field.autocomplete = "off";
  found.setAttribute("role", "status");
  label.append("Search for a name or an id: ", field);
  line.className = "bnn-search";
  line.append(label, " ", found);
  table.parentElement.before(line);
  const plain = text => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    let count = 0;
    for (const row of rows) {
      const name = row.cells[0].textContent.toLowerCase();
      row.hidden = !(name.includes(wanted) || row.dataset.name.includes(plain(wanted)));
      count += !row.hidden;
    }
    found.textContent = wanted ? `${count} of ${rows.length}` : "";
  });
}
