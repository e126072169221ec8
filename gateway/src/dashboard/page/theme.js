// Light or dark, before anything is painted: what was chosen here, else what the system says. No module, since those wait for the page.
"use strict";
{
  const chosen = localStorage.getItem("micronet.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
