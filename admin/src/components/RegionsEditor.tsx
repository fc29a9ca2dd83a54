import { Button, CloseButton, Group, Stack, Text } from "@mantine/core";
import { type KeyboardEvent, type PointerEvent, useRef, useState } from "react";
import { cameraFrame, updateCamera } from "../api/client";
import { useChange } from "../api/queries";
import type { Camera, Corner } from "../api/types";
import {
  type Area,
  type AreaKind,
  areasOf,
  halfWay,
  KIND_WORDS,
  moved,
  newArea,
  regionsOf,
  split,
  without,
} from "../regions";
import styles from "./RegionsEditor.module.css";

const STEP = 0.01;
const LARGE_STEP = 0.05;
const ARROWS: Record<string, Corner> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Where in a camera's picture faces are looked for, drawn on its last picture. */
export function RegionsEditor({ camera, onDone }: { camera: Camera; onDone: () => void }) {
  const [areas, setAreas] = useState(() => areasOf(camera.regions));
  const picture = useRef<HTMLDivElement>(null);
  const change = useChange();

  function edit(place: number, area: Area) {
    setAreas((current) => current.with(place, area));
  }

  function cornerAt(event: PointerEvent): Corner {
    const frame = (picture.current as HTMLDivElement).getBoundingClientRect();
    return [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height];
  }

  function save() {
    change.run(() => updateCamera(camera.id, { regions: regionsOf(areas) }), onDone);
  }

  return (
    <Stack gap="sm">
      <Text fz="sm">
        Faces are looked for in the whole picture, or in the areas marked “{KIND_WORDS.include}”,
        where there are any; never in those marked “{KIND_WORDS.exclude}”. What counts is the middle
        of a face. Drag the corners, or choose one and use the arrow keys; Delete takes it away.
      </Text>
      <div
        ref={picture}
        className={styles.picture}
        style={{ aspectRatio: `${camera.width ?? 16} / ${camera.height ?? 9}` }}
      >
        {camera.has_frame && <img src={cameraFrame(camera)} alt={`What ${camera.name} saw last`} />}
        <svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden>
          {areas.map(({ kind, corners }, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: areas have no identity
            <polygon key={place} data-kind={kind} points={corners.join(" ")} />
          ))}
        </svg>
        {areas.map((area, place) => (
          <Handles
            // biome-ignore lint/suspicious/noArrayIndexKey: areas have no identity
            key={place}
            name={`Area ${place + 1}`}
            area={area}
            cornerAt={cornerAt}
            onEdit={(edited) => edit(place, edited)}
          />
        ))}
      </div>
      <Group gap="xs">
        {(["include", "exclude"] as AreaKind[]).map((kind) => (
          <Button
            key={kind}
            size="xs"
            variant="light"
            color={kind === "exclude" ? "red" : undefined}
            onClick={() => setAreas((current) => [...current, newArea(kind)])}
          >
            Add an area: {KIND_WORDS[kind]}
          </Button>
        ))}
      </Group>
      <ul className={styles.areas} aria-label="Areas">
        {areas.map(({ kind }, place) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: areas have no identity
          <li key={place} data-kind={kind}>
            <Text fz="sm">
              Area {place + 1}: {KIND_WORDS[kind]}
            </Text>
            <CloseButton
              size="sm"
              aria-label={`Remove area ${place + 1}`}
              onClick={() => setAreas((current) => current.toSpliced(place, 1))}
            />
          </li>
        ))}
      </ul>
      {areas.length === 0 && (
        <Text fz="sm" c="dimmed">
          Nothing is drawn: what the detector's own configuration says counts, or else the whole
          picture.
        </Text>
      )}
      <Group justify="end" gap="xs">
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
        <Button loading={change.isPending} onClick={save}>
          Save
        </Button>
      </Group>
    </Stack>
  );
}

/** The corners of an area, and between them what makes new ones. */
function Handles({
  name,
  area,
  cornerAt,
  onEdit,
}: {
  name: string;
  area: Area;
  cornerAt: (event: PointerEvent) => Corner;
  onEdit: (area: Area) => void;
}) {
  const [dragged, setDragged] = useState<number>();

  function press(event: KeyboardEvent, place: number) {
    const [x, y] = area.corners[place] as Corner;
    const arrow = ARROWS[event.key];
    if (arrow) {
      const step = event.shiftKey ? LARGE_STEP : STEP;
      onEdit(moved(area, place, [x + step * arrow[0], y + step * arrow[1]]));
    } else if (event.key === "Delete" || event.key === "Backspace") {
      onEdit(without(area, place));
    } else return;
    event.preventDefault();
  }

  return area.corners.map((corner, place) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: corners have no identity
    <span key={place} className={styles.handles} data-kind={area.kind}>
      <button
        type="button"
        className={styles.corner}
        style={at(corner)}
        aria-label={`${name}, corner ${place + 1} of ${area.corners.length}`}
        onKeyDown={(event) => press(event, place)}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setDragged(place);
        }}
        onPointerMove={(event) => dragged === place && onEdit(moved(area, place, cornerAt(event)))}
        onPointerUp={() => setDragged(undefined)}
        onPointerCancel={() => setDragged(undefined)}
      />
      <button
        type="button"
        className={styles.middle}
        style={at(halfWay(area.corners, place))}
        aria-label={`${name}: another corner after corner ${place + 1}`}
        onClick={() => onEdit(split(area, place))}
      />
    </span>
  ));
}

function at([x, y]: Corner) {
  return { left: `${100 * x}%`, top: `${100 * y}%` };
}
