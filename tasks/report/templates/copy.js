// A button for each text that is worth copying; without this script it can still be selected.
for (const box of document.querySelectorAll(".copy")) {
  const text = box.querySelector("pre");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy: " + text.getAttribute("aria-label"));
  button.addEventListener("click", async () => {
    let done = true;
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      getSelection().selectAllChildren(text);
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Selected";
    document.getElementById("copied").textContent = done ? "Copied" : "Selected: copy it by keyboard";
    setTimeout(() => { button.textContent = "Copy"; }, 3000);
  });
  box.prepend(button);
}
