import { type DragEvent, type ReactNode, useState } from "react";
import styles from "./DropZone.module.css";

/** Takes files that are dropped on it; a button within it must do the same. */
export function DropZone({
  onFiles,
  className,
  children,
}: {
  onFiles: (files: File[]) => void;
  className: string | undefined;
  children: ReactNode;
}) {
  const [dragging, setDragging] = useState(false);

  function drop(event: DragEvent) {
    event.preventDefault();
    setDragging(false);
    onFiles([...event.dataTransfer.files]);
  }

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the button within does the same
    <div
      className={`${styles.zone} ${className ?? ""}`}
      data-dragging={dragging}
      onDragOver={(event) => {
        event.preventDefault();
        setDragging(true);
      }}
      onDragLeave={() => setDragging(false)}
      onDrop={drop}
    >
      {children}
    </div>
  );
}
