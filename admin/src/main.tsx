import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "./global.css";
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";
import { App } from "./App";
import { fetchSession } from "./api/client";
import { createQueryClient, prefetchFirstList, SESSION } from "./api/queries";
import { resolveVariables, theme } from "./theme";

/** A page that waits longer for its first answer says so. */
const PATIENCE_MS = 200;

const queryClient = createQueryClient();
const answered = queryClient
  .prefetchQuery({ queryKey: SESSION, queryFn: fetchSession })
  .then(() => prefetchFirstList(queryClient, window.location));
const patience = new Promise((resolve) => window.setTimeout(resolve, PATIENCE_MS));

// Mostly the answers are there before this code is (`ahead.js`), and the first drawing is the page.
void Promise.race([answered, patience]).then(() => {
  createRoot(document.getElementById("root") as HTMLElement).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        cssVariablesResolver={resolveVariables}
        defaultColorScheme="auto"
      >
        <QueryClientProvider client={queryClient}>
          <Notifications position="bottom-left" />
          <BrowserRouter>
            <App />
          </BrowserRouter>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
});
