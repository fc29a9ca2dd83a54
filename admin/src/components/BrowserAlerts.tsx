import { Switch } from "@mantine/core";
import { useState } from "react";
import { browserAlerts } from "../browserAlerts";

/** Whether this browser says so when there is a new alert, while the panel is open in it. */
export function BrowserAlerts() {
  const [on, setOn] = useState(browserAlerts.areOn());
  if (!browserAlerts.arePossible()) return null;
  return (
    <Switch
      label="Notify me in this browser"
      checked={on}
      onChange={async ({ currentTarget }) => setOn(await browserAlerts.turn(currentTarget.checked))}
    />
  );
}
