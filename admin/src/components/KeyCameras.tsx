import { TagsInput } from "@mantine/core";
import { useCameras } from "../api/queries";
import { cameraIdOf } from "../cameraWords";

/** The only cameras that a detector's key is for: known ones, and ones that are yet to come. */
export function KeyCameras({
  cameras,
  onChange,
  connecting,
}: {
  cameras: string[];
  onChange: (cameras: string[]) => void;
  /** One that nobody has heard of yet, for which the key will be in any case. */
  connecting?: string;
}) {
  const known = useCameras().data ?? [];
  const offered = [connecting, ...known.map(({ id }) => id)].filter((id) => id !== undefined);

  function choose(written: string[]) {
    const named = written.map((one) => one.trim()).filter(Boolean);
    onChange([...new Set(named.map((one) => cameraIdOf(one, known)))]);
  }

  return (
    <TagsInput
      label="Cameras"
      description={
        connecting
          ? `The only ones that the key is for, with ${connecting}. None: any camera.`
          : "The only ones that the key is for, as --camera-id names them. None: any camera."
      }
      placeholder={cameras.length === 0 ? "Any camera" : undefined}
      data={[...new Set(offered)]}
      value={cameras}
      onChange={choose}
      maxTags={100}
      acceptValueOnBlur
      clearable
    />
  );
}
