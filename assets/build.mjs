// Writes the committed assets of the app from the packages in node_modules: the part of the Salesforce
// Lightning Design System that the templates use, its icon sprite unmodified with its licence, and HTMX.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PurgeCSS } from "purgecss";

const here = dirname(fileURLToPath(import.meta.url));
const web = join(here, "..", "src", "cpqbridge", "web");
const out = join(web, "static");
const slds = join(here, "node_modules", "@salesforce-ux", "design-system");
const htmx = join(here, "node_modules", "htmx.org");

const [purged] = await new PurgeCSS().purge({
  content: [join(web, "templates", "**", "*.html"), join(web, "**", "*.py")],
  css: [join(slds, "assets", "styles", "salesforce-lightning-design-system.min.css")],
  safelist: [
    // Composed from a word in a macro.
    /^slds-button_(brand|neutral|outline-brand|destructive|text-destructive)$/,
    /^slds-icon_(xx-small|x-small|small|medium)$/,
  ],
  variables: true,
  keyframes: true,
  fontFace: true,
});
// Pictures of parts we do not use would be asked for in vain.
const css = purged.css.replaceAll(/background-image:url\(\.\.\/images[^)]*\)[^;}]*;?/g, "");
mkdirSync(join(out, "slds", "icons", "utility-sprite"), { recursive: true });
mkdirSync(join(out, "htmx"), { recursive: true });
writeFileSync(join(out, "slds", "slds.css"), css);
copyFileSync(
  join(slds, "assets", "icons", "utility-sprite", "svg", "symbols.svg"),
  join(out, "slds", "icons", "utility-sprite", "symbols.svg"),
);
copyFileSync(
  join(slds, "assets", "icons", "License-for-icons.txt"),
  join(out, "slds", "icons", "License-for-icons.txt"),
);
copyFileSync(join(slds, "scss", "License-for-Sass.txt"), join(out, "slds", "License-for-css.txt"));
copyFileSync(join(htmx, "dist", "htmx.min.js"), join(out, "htmx", "htmx.min.js"));
copyFileSync(join(htmx, "LICENSE"), join(out, "htmx", "LICENSE"));
const versions = Object.entries(JSON.parse(readFileSync(join(here, "package.json"), "utf8")).dependencies);
writeFileSync(
  join(out, "VERSIONS.txt"),
  versions.filter(([name]) => name !== "purgecss").map(([name, version]) => `${name} ${version}\n`).join(""),
);
console.log(`slds.css ${Math.round(css.length / 1024)} KiB`);
