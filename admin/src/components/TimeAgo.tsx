import { useEffect, useState } from "react";
import { ago, fullTime } from "../format";

const REFRESH_MS = 30_000;

/** How long ago a moment was, kept up to date; the moment itself on hover. */
export function TimeAgo({ at }: { at: string }) {
  const [, refresh] = useState(0);
  useEffect(() => {
    const timer = window.setInterval(() => refresh((times) => times + 1), REFRESH_MS);
    return () => window.clearInterval(timer);
  }, []);
  return (
    <time dateTime={at} title={fullTime(at)}>
      {ago(at)}
    </time>
  );
}
