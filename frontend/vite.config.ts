import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const backend = "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "../netra_apex/web",
    emptyOutDir: true,
    // A strict Content-Security-Policy has no `data:`; every asset stays a file of its own.
    assetsInlineLimit: 0,
    cssTarget: ["chrome123", "firefox125", "safari17.5"],
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      "/api": backend,
      "/auth": backend,
      "/health": backend,
      "/ws": { target: backend, ws: true },
    },
  },
});
