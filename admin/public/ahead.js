// Asks for what the first page shows while the panel's code is still being loaded and read, which
// takes longer than the answers do. `client.ts` takes them by their address: one that no page asks
// for, to the letter, is asked for in vain.

{
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const next = new Date(midnight);
  next.setDate(next.getDate() + 1);
  const visitsOf = (kind) =>
    `/visits?${new URLSearchParams({
      kind,
      from: midnight.toISOString(),
      to: next.toISOString(),
      limit: "200",
    })}`;

  const shown = new Map([
    ["/", [visitsOf("unknown"), visitsOf("known"), visitsOf("ignored")]],
    ["/detections", ["/detections"]],
    ["/people", ["/persons?kind=known"]],
  ]);
  const lists = (!location.search && shown.get(location.pathname)) || [];

  window.askedAhead = new Map();
  for (const path of ["/session", ...lists, ...(lists.length > 0 ? ["/cameras"] : [])]) {
    const answer = fetch(`/api/v1${path}`);
    answer.catch(() => undefined);
    window.askedAhead.set(`/api/v1${path}`, answer);
  }
}
