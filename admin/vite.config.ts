import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `npm run dev` serves the panel and passes /api on to an API that `usher up` started.
export default defineConfig({
  plugins: [react()],
  // One file for the whole panel: it comes from the machine that the API runs on, and is cached.
  build: { chunkSizeWarningLimit: 800 },
  server: { proxy: { "/api": "http://127.0.0.1:8000" } },
});
