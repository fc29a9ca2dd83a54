import type { Confidence } from "../api/types";

const BARS: Record<Confidence, number> = { low: 1, medium: 2, high: 3 };

/** How sure a match is: one to three bars. */
export function ConfidenceMeter({ confidence }: { confidence: Confidence }) {
  const label = `Confidence: ${confidence}`;
  return (
    <svg width="15" height="12" viewBox="0 0 15 12" role="img" aria-label={label}>
      <title>{label}</title>
      {[0, 1, 2].map((bar) => (
        <rect
          key={bar}
          x={bar * 5.5}
          y={8 - bar * 4}
          width="4"
          height={4 + bar * 4}
          rx="1"
          fill="currentColor"
          opacity={bar < BARS[confidence] ? 1 : 0.22}
        />
      ))}
    </svg>
  );
}
