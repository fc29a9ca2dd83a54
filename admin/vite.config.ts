import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** The panel's code, before it is compressed: the build fails above that. */
const MAX_KB = 1000;

/** Watches the size of what a browser has to fetch before it shows anything. */
function sizeLimit(): Plugin {
  return {
    name: "usher-size-limit",
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((output) => output.type === "chunk");
      const kilobytes = chunks.reduce((sum, { code }) => sum + code.length, 0) / 1000;
      if (kilobytes > MAX_KB) {
        this.error(`the panel has ${Math.round(kilobytes)} kB of code, more than ${MAX_KB}`);
      }
    },
  };
}

// `npm run dev` serves the panel and passes /api on to an API that `usher up` started.
export default defineConfig({
  plugins: [react(), sizeLimit()],
  // One file for the whole panel: it comes from the machine that the API runs on, and is cached.
  build: { chunkSizeWarningLimit: MAX_KB },
  server: { proxy: { "/api": "http://127.0.0.1:8000" } },
});
