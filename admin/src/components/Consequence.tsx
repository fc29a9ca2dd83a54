import { Text } from "@mantine/core";
import { usePerson } from "../api/queries";
import { count } from "../format";
import { personName } from "../outcome";
import type { Question } from "../review";

/** What "yes" to a question does. */
export function Consequence({
  question: { candidate, stranger, detections },
}: {
  question: Question;
}) {
  const whole = usePerson(stranger?.id).data;
  const pictures = count(Math.max(whole?.detections ?? 0, detections.length), "picture");
  const name = personName(candidate);
  return (
    <Text fz="sm" c="dimmed">
      {stranger
        ? `“Yes” gives all that was seen of this stranger to ${name}: ${pictures}.`
        : `A single picture, not good enough to be sure. “Yes” gives it to ${name}.`}
    </Text>
  );
}
